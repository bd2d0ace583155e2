#include "executor/ops/unary.h"

// Y = max(0, min(1, alpha * X + beta))
UNARY_ATTRS(TYPES_FLOAT, "alpha", 0.2f, "beta", 0.5f, fmax((T) 0, fmin((T) 1, a *x + b)))

const ppq_op_def ppq_op_hard_sigmoid = UNARY_DEF("HardSigmoid", 1);
