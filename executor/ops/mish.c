#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = X * tanh(softplus(X)).
UNARY(TYPES_FLOAT, (x * fast_tanh(fast_softplus(x))))
#define TH fast_tanh(fast_softplus(x))
UNARY_SLOPE(TH + x * (1 - TH * TH) / (1 + fast_exp(-x)))

const ppq_op_def ppq_op_mish = UNARY_SLOPE_DEF("Mish", 18);
