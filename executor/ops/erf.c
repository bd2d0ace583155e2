#include "executor/ops/unary.h"

// Y = the error function of X
UNARY(TYPES_FLOAT, erf(x))

const ppq_op_def ppq_op_erf = UNARY_DEF("Erf", 9);
