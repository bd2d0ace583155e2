#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = tanh X
UNARY(TYPES_FLOAT, fast_tanh(x))
UNARY_SLOPE(1 - fast_tanh(x) * fast_tanh(x))

const ppq_op_def ppq_op_tanh = UNARY_SLOPE_DEF("Tanh", 1);
