#include "executor/ops/unary.h"

// Y = the square root of X; NaN below 0
UNARY(TYPES_FLOAT, sqrt(x))
UNARY_SLOPE((T) 0.5 / sqrt(x))

const ppq_op_def ppq_op_sqrt = UNARY_SLOPE_DEF("Sqrt", 1);
