#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = ln(1 + e ^ X).
UNARY(TYPES_FLOAT, fast_softplus(x))
UNARY_SLOPE(1 / (1 + fast_exp(-x)))

const ppq_op_def ppq_op_softplus = UNARY_SLOPE_DEF("Softplus", 1);
