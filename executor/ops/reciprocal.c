#include "executor/ops/unary.h"

// Y = 1 / X
UNARY(TYPES_FLOAT, 1 / x)

const ppq_op_def ppq_op_reciprocal = UNARY_DEF("Reciprocal", 1);
