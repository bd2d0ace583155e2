#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = max(0, X) + min(0, alpha * (e ^ (X / alpha) - 1))
UNARY_ATTRS(TYPES_FLOAT, "alpha", 1.0f, "", 0, x > 0 ? x : a * fast_expm1(x / a))
UNARY_SLOPE(x > 0 ? 1 : fast_exp(x / a))

const ppq_op_def ppq_op_celu = UNARY_SLOPE_DEF("Celu", 12);
