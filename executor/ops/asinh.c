#include "executor/ops/unary.h"

// Y = arsinh X
UNARY(TYPES_FLOAT, asinh(x))

const ppq_op_def ppq_op_asinh = UNARY_DEF("Asinh", 9);
