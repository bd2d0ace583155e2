#include "executor/ops/unary.h"

// Y = cosh X
UNARY(TYPES_FLOAT, cosh(x))

const ppq_op_def ppq_op_cosh = UNARY_DEF("Cosh", 9);
