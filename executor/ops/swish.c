#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = X * sigmoid(alpha * X)
UNARY_ATTRS(TYPES_FLOAT, "alpha", 1.0f, "", 0, x / (1 + fast_exp(-a * x)))
#define S (1 / (1 + fast_exp(-a * x)))
UNARY_SLOPE((1 + a * x * (1 - S)) * S)

const ppq_op_def ppq_op_swish = UNARY_SLOPE_DEF("Swish", 24);
