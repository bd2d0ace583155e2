#include "executor/ops/unary.h"

// Y = |X|; the lowest integer wraps to itself.
#define ABS_SIGNED(id, type, ...)   UNARY_LOOP(id, type, x < 0 ? 0 - (uint64_t) x : (uint64_t) x)
#define ABS_UNSIGNED(id, type, ...) UNARY_LOOP(id, type, x)
#define ABS_FLOAT(id, type, ...)    UNARY_LOOP(id, type, fabs(x))
TYPES_SIGNED(ABS_SIGNED, 0)
TYPES_UNSIGNED(ABS_UNSIGNED, 0)
TYPES_FLOAT(ABS_FLOAT, 0)
static const ppq_unary_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(UNARY_ENTRY, 0) };

UNARY_FORWARD(0, 0)
UNARY_SLOPE(x<0 ? -1 : x> 0 ? 1 : 0)

const ppq_op_def ppq_op_abs = UNARY_SLOPE_DEF("Abs", 1);
