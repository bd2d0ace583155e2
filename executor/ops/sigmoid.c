#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = 1 / (1 + e ^ -X)
UNARY(TYPES_FLOAT, 1 / (1 + fast_exp(-x)))
#define E fast_exp(-fabs(x))
UNARY_SLOPE(E / ((1 + E) * (1 + E)))

const ppq_op_def ppq_op_sigmoid = UNARY_SLOPE_DEF("Sigmoid", 1);
