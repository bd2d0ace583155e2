#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = the error function of X
UNARY(TYPES_FLOAT, fast_erf(x))

const ppq_op_def ppq_op_erf = UNARY_DEF("Erf", 9);
