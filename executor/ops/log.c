#include "executor/ops/unary.h"

// Y = ln X
UNARY(TYPES_FLOAT, log(x))

const ppq_op_def ppq_op_log = UNARY_DEF("Log", 1);
