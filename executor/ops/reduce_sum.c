#include "executor/ops/reduce.h"

// The sum; 0 of nothing.
REDUCE_REAL(0, x, a + b, a)
REDUCE_BACKWARD(ppq_reduce_backward, false)

const ppq_op_def ppq_op_reduce_sum = REDUCE_BACKWARD_DEF("ReduceSum", 0);
