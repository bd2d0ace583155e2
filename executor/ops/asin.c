#include "executor/ops/unary.h"

// Y = arcsin X
UNARY(TYPES_FLOAT, asin(x))

const ppq_op_def ppq_op_asin = UNARY_DEF("Asin", 7);
