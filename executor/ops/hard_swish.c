#include "executor/ops/unary.h"

// Y = X * max(0, min(1, X / 6 + 1/2))
#define LINE (x / 6 + (T) 0.5)
UNARY(TYPES_FLOAT, (x * (LINE < 0 ? 0 : LINE > 1 ? 1 : LINE)))
UNARY_SLOPE(LINE<0 ? 0 : LINE> 1 ? 1 : x / 3 + (T) 0.5)

const ppq_op_def ppq_op_hard_swish = UNARY_SLOPE_DEF("HardSwish", 14);
