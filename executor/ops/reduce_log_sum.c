#include "executor/ops/reduce.h"

// The logarithm of the sum
TYPES_REAL(REDUCE_FLOAT_LOOP, 0, x, a + b, log(a))
static const ppq_reduce_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(REDUCE_ENTRY, 0) };
REDUCE_FORWARD

const ppq_op_def ppq_op_reduce_log_sum = REDUCE_DEF("ReduceLogSum", 0);
