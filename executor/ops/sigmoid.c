#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = 1 / (1 + e ^ -X)
UNARY(TYPES_FLOAT, 1 / (1 + fast_exp(-x)))

const ppq_op_def ppq_op_sigmoid = UNARY_DEF("Sigmoid", 1);
