#include "executor/ops/unary.h"

// Y = artanh X
UNARY(TYPES_FLOAT, atanh(x))

const ppq_op_def ppq_op_atanh = UNARY_DEF("Atanh", 9);
