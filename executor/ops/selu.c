#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = gamma * (X < 0 ? alpha * (e ^ X - 1) : X)
UNARY_ATTRS(TYPES_FLOAT, "alpha", 1.67326319217681884765625f, "gamma", 1.05070102214813232421875f,
            b *(x < 0 ? a * fast_expm1(x) : x))
UNARY_SLOPE(b *(x < 0 ? a * fast_exp(x) : 1))

const ppq_op_def ppq_op_selu = UNARY_SLOPE_DEF("Selu", 1);
