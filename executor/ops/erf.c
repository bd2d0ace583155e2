#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = the error function of X
UNARY(TYPES_FLOAT, fast_erf(x))
UNARY_SLOPE((T) 1.12837916709551257390 * fast_exp(-x * x))

const ppq_op_def ppq_op_erf = UNARY_SLOPE_DEF("Erf", 9);
