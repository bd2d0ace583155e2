#include "executor/ops/unary.h"

// Y = X / (1 + |X|)
UNARY(TYPES_FLOAT, x / (1 + fabs(x)))
UNARY_SLOPE(1 / ((1 + fabs(x)) * (1 + fabs(x))))

const ppq_op_def ppq_op_softsign = UNARY_SLOPE_DEF("Softsign", 1);
