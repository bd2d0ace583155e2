#include "executor/ops/unary.h"

// Y = the square root of X; NaN below 0
UNARY(TYPES_FLOAT, sqrt(x))

const ppq_op_def ppq_op_sqrt = UNARY_DEF("Sqrt", 1);
