#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = X < 0 ? alpha * (e ^ X - 1) : X
UNARY_ATTRS(TYPES_FLOAT, "alpha", 1.0f, "", 0, x < 0 ? a * fast_expm1(x) : x)
UNARY_SLOPE(x < 0 ? a * fast_exp(x) : 1)

const ppq_op_def ppq_op_elu = UNARY_SLOPE_DEF("Elu", 1);
