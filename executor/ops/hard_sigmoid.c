#include "executor/ops/unary.h"

// Y = max(0, min(1, alpha * X + beta))
#define LINE (a * x + b)
UNARY_ATTRS(TYPES_FLOAT, "alpha", 0.2f, "beta", 0.5f, LINE<0 ? 0 : LINE> 1 ? 1 : LINE)
UNARY_SLOPE(LINE > 0 && LINE < 1 ? a : 0)

const ppq_op_def ppq_op_hard_sigmoid = UNARY_SLOPE_DEF("HardSigmoid", 1);
