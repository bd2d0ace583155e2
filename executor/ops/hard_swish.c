#include "executor/ops/unary.h"

// Y = X * max(0, min(1, X / 6 + 1/2))
UNARY(TYPES_FLOAT, x *fmax((T) 0, fmin((T) 1, x / 6 + (T) 0.5)))

const ppq_op_def ppq_op_hard_swish = UNARY_DEF("HardSwish", 14);
