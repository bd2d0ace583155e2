#include "executor/ops/unary.h"

// Y = sin X
UNARY(TYPES_FLOAT, sin(x))

const ppq_op_def ppq_op_sin = UNARY_DEF("Sin", 7);
