#include "executor/ops/cumulate.h"

// Running sums along an axis.
CUMULATE(0, a + b)

const ppq_op_def ppq_op_cum_sum = CUMULATE_DEF("CumSum", 11);
