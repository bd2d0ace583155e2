#include "executor/ops/reduce.h"

// The mean; NaN (integers: 0) of nothing. Integers are rounded towards zero.
TYPES_FLOAT(REDUCE_FLOAT_LOOP, 0, x, a + b, a / (double) n)
TYPES_SIGNED(REDUCE_WRAP_LOOP, 0, x, a + b, n ? (int64_t) a / n : 0)
TYPES_UNSIGNED(REDUCE_WRAP_LOOP, 0, x, a + b, n ? a / (uint64_t) n : 0)
static const ppq_reduce_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(REDUCE_ENTRY, 0) };
REDUCE_FORWARD
REDUCE_BACKWARD(ppq_reduce_backward, true)

const ppq_op_def ppq_op_reduce_mean = REDUCE_BACKWARD_DEF("ReduceMean", 0);
