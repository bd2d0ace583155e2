#include "executor/ops/unary.h"

// Y = X < 0 ? alpha * X : X
UNARY_ATTRS(TYPES_FLOAT, "alpha", 0.01f, "", 0, x < 0 ? a * x : x)

const ppq_op_def ppq_op_leaky_relu = UNARY_DEF("LeakyRelu", 1);
