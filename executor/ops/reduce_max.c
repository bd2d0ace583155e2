#include "executor/ops/reduce.h"

// The largest element; the lowest number (floats: -infinity) of nothing.
// NaN wins. Float maxima are exact in double.
TYPES_FLOAT(REDUCE_FLOAT_LOOP, -(double) INFINITY, x, a > b || a != a ? a : b, a)
TYPES_SIGNED(REDUCE_SIGNED_LOOP, INT64_MIN, x, a > b ? a : b,
             n ? a : -((A) 1 << (8 * sizeof(T) - 2)) * 2)
TYPES_UNSIGNED(REDUCE_UNSIGNED_LOOP, 0, x, a > b ? a : b, a)
REDUCE_LOOP(BOOL, uint8_t, uint64_t, 0, x != 0, a > b ? a : b, a)
static const ppq_reduce_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(REDUCE_ENTRY, 0)[PPQ_DT_BOOL] =
                                                         loop_BOOL };
REDUCE_FORWARD
REDUCE_BACKWARD(ppq_reduce_pick_backward, false)

const ppq_op_def ppq_op_reduce_max = REDUCE_BACKWARD_DEF("ReduceMax", PPQ_OP_PASSIVE);
