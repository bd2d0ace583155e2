#include "executor/ops/unary.h"

// Y = arccos X
UNARY(TYPES_FLOAT, acos(x))

const ppq_op_def ppq_op_acos = UNARY_DEF("Acos", 7);
