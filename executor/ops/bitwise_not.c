#include "executor/ops/unary.h"

// Y = every bit of X flipped
UNARY(TYPES_INT, ~x)

const ppq_op_def ppq_op_bitwise_not = UNARY_DEF("BitwiseNot", 18);
