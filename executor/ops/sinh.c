#include "executor/ops/unary.h"

// Y = sinh X
UNARY(TYPES_FLOAT, sinh(x))

const ppq_op_def ppq_op_sinh = UNARY_DEF("Sinh", 9);
