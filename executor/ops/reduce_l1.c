#include "executor/ops/reduce.h"

// The sum of magnitudes; 0 of nothing.
TYPES_FLOAT(REDUCE_FLOAT_LOOP, 0, fabs((double) x), a + b, a)
TYPES_SIGNED(REDUCE_WRAP_LOOP, 0, x < 0 ? 0 - (A) x : (A) x, a + b, a)
TYPES_UNSIGNED(REDUCE_WRAP_LOOP, 0, x, a + b, a)
static const ppq_reduce_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(REDUCE_ENTRY, 0) };
REDUCE_FORWARD

const ppq_op_def ppq_op_reduce_l1 = REDUCE_DEF("ReduceL1", 0);
