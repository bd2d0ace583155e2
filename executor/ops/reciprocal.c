#include "executor/ops/unary.h"

// Y = 1 / X
UNARY(TYPES_FLOAT, 1 / x)
UNARY_SLOPE(-1 / (x * x))

const ppq_op_def ppq_op_reciprocal = UNARY_SLOPE_DEF("Reciprocal", 1);
