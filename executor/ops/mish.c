#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = X * tanh(softplus(X)).
UNARY(TYPES_FLOAT, (x * fast_tanh(fast_softplus(x))))

const ppq_op_def ppq_op_mish = UNARY_DEF("Mish", 18);
