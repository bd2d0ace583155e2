#include "executor/ops/unary.h"

// Y = sin X
UNARY(TYPES_FLOAT, sin(x))
UNARY_SLOPE(cos(x))

const ppq_op_def ppq_op_sin = UNARY_SLOPE_DEF("Sin", 7);
