#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = tanh X
UNARY(TYPES_FLOAT, fast_tanh(x))

const ppq_op_def ppq_op_tanh = UNARY_DEF("Tanh", 1);
