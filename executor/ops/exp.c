#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = e ^ X
UNARY(TYPES_FLOAT, fast_exp(x))
UNARY_SLOPE(fast_exp(x))

const ppq_op_def ppq_op_exp = UNARY_SLOPE_DEF("Exp", 1);
