#include "executor/ops/unary.h"

// Y = cos X
UNARY(TYPES_FLOAT, cos(x))
UNARY_SLOPE(-sin(x))

const ppq_op_def ppq_op_cos = UNARY_SLOPE_DEF("Cos", 7);
