#include "executor/ops/unary.h"

// Y = the smallest integer >= X
UNARY(TYPES_FLOAT, ceil(x))

const ppq_op_def ppq_op_ceil = UNARY_DEF("Ceil", 1);
