#include "executor/ops/unary.h"

// Y = ln X
UNARY(TYPES_FLOAT, log(x))
UNARY_SLOPE(1 / x)

const ppq_op_def ppq_op_log = UNARY_SLOPE_DEF("Log", 1);
