#include "executor/ops/reduce.h"

// The sum of squares; 0 of nothing.
REDUCE_REAL(0, (A) x *(A) x, a + b, a)

const ppq_op_def ppq_op_reduce_sum_square = REDUCE_DEF("ReduceSumSquare", 0);
