#include "executor/ops/unary.h"

// Y = arctan X
UNARY(TYPES_FLOAT, atan(x))

const ppq_op_def ppq_op_atan = UNARY_DEF("Atan", 7);
