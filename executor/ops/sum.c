#include "executor/ops/backward.h"
#include "executor/ops/binary.h"

// The sum of all inputs
BINARY_REAL((U) a + (U) b)
BINARY_FORWARD(ppq_binary_fold)

const ppq_op_def ppq_op_sum = VARIADIC_DEF("Sum", 1, PPQ_OP_ELEMENTWISE, ppq_backward_sum);
