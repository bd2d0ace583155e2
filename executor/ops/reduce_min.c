#include "executor/ops/reduce.h"

// The smallest element; the highest number (floats: infinity) of nothing.
// NaN wins. Float maxima are exact in double.
TYPES_FLOAT(REDUCE_FLOAT_LOOP, (double) INFINITY, x, a < b || a != a ? a : b, a)
TYPES_SIGNED(REDUCE_SIGNED_LOOP, INT64_MAX, x, a < b ? a : b,
             n ? a : (A) (INT64_MAX >> (64 - 8 * sizeof(T))))
TYPES_UNSIGNED(REDUCE_UNSIGNED_LOOP, UINT64_MAX, x, a < b ? a : b,
               n ? a : (A) (INT64_MAX >> (64 - 8 * sizeof(T))))
REDUCE_LOOP(BOOL, uint8_t, uint64_t, 1, x != 0, a < b ? a : b, a)
static const ppq_reduce_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(REDUCE_ENTRY, 0)[PPQ_DT_BOOL] =
                                                         loop_BOOL };
REDUCE_FORWARD
REDUCE_BACKWARD(ppq_reduce_pick_backward, true)

const ppq_op_def ppq_op_reduce_min = REDUCE_BACKWARD_DEF("ReduceMin", PPQ_OP_PASSIVE);
