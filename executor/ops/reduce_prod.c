#include "executor/ops/reduce.h"

// The product; 1 of nothing.
REDUCE_REAL(1, x, (a * b), a)

const ppq_op_def ppq_op_reduce_prod = REDUCE_DEF("ReduceProd", 0);
