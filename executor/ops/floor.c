#include "executor/ops/unary.h"

// Y = the largest integer <= X
UNARY(TYPES_FLOAT, floor(x))

const ppq_op_def ppq_op_floor = UNARY_DEF("Floor", 1);
