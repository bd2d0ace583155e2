#include "executor/ops/unary.h"

// Y = X < 0 ? alpha * X : X
UNARY_ATTRS(TYPES_FLOAT, "alpha", 0.01f, "", 0, x < 0 ? a * x : x)
UNARY_SLOPE(x < 0 ? a : 1)

const ppq_op_def ppq_op_leaky_relu = UNARY_SLOPE_DEF("LeakyRelu", 1);
