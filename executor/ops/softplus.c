#include "executor/ops/unary.h"

// Y = ln(1 + e ^ X), written so that it cannot overflow.
UNARY(TYPES_FLOAT, fmax(x, (T) 0) + log1p(exp(-fabs(x))))

const ppq_op_def ppq_op_softplus = UNARY_DEF("Softplus", 1);
