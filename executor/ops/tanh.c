#include "executor/ops/unary.h"

// Y = tanh X
UNARY(TYPES_FLOAT, tanh(x))

const ppq_op_def ppq_op_tanh = UNARY_DEF("Tanh", 1);
