#include "executor/ops/unary.h"

// Y = cos X
UNARY(TYPES_FLOAT, cos(x))

const ppq_op_def ppq_op_cos = UNARY_DEF("Cos", 7);
