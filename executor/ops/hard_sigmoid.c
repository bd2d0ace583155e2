#include "executor/ops/unary.h"

// Y = max(0, min(1, alpha * X + beta))
#define LINE (a * x + b)
UNARY_ATTRS(TYPES_FLOAT, "alpha", 0.2f, "beta", 0.5f, LINE<0 ? 0 : LINE> 1 ? 1 : LINE)

const ppq_op_def ppq_op_hard_sigmoid = UNARY_DEF("HardSigmoid", 1);
