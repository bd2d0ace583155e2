#include "executor/ops/unary.h"

// Y = X * tanh(softplus(X)), with softplus written so that it cannot overflow.
UNARY(TYPES_FLOAT, x *tanh(fmax(x, (T) 0) + log1p(exp(-fabs(x)))))

const ppq_op_def ppq_op_mish = UNARY_DEF("Mish", 18);
