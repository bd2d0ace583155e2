#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = ln(1 + e ^ X).
UNARY(TYPES_FLOAT, fast_softplus(x))

const ppq_op_def ppq_op_softplus = UNARY_DEF("Softplus", 1);
