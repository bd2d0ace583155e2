#include "executor/ops/unary.h"

// Y = tan X
UNARY(TYPES_FLOAT, tan(x))

const ppq_op_def ppq_op_tan = UNARY_DEF("Tan", 7);
