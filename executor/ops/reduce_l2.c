#include "executor/ops/reduce.h"

// The square root of the sum of squares; 0 of nothing.
TYPES_REAL(REDUCE_FLOAT_LOOP, 0, (double) x *(double) x, a + b, sqrt(a))
static const ppq_reduce_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(REDUCE_ENTRY, 0) };
REDUCE_FORWARD

const ppq_op_def ppq_op_reduce_l2 = REDUCE_DEF("ReduceL2", 0);
