#include "executor/ops/cumulate.h"

// Running products along an axis.
CUMULATE(1, (a * b))

const ppq_op_def ppq_op_cum_prod = CUMULATE_DEF("CumProd", 26);
