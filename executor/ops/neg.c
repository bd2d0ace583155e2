#include "executor/ops/unary.h"

// Y = -X; the lowest integer wraps to itself.
#define NEG_INT(id, type, ...)   UNARY_LOOP(id, type, 0 - (uint64_t) x)
#define NEG_FLOAT(id, type, ...) UNARY_LOOP(id, type, -x)
TYPES_INT(NEG_INT, 0)
TYPES_FLOAT(NEG_FLOAT, 0)
static const ppq_unary_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(UNARY_ENTRY, 0) };

UNARY_FORWARD(0, 0)
UNARY_SLOPE(-1)

const ppq_op_def ppq_op_neg = UNARY_SLOPE_DEF("Neg", 1);
