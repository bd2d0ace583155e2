#include "executor/ops/unary.h"

// Y = the nearest integer, ties to even
UNARY(TYPES_FLOAT, rint(x))

const ppq_op_def ppq_op_round = UNARY_DEF("Round", 11);
