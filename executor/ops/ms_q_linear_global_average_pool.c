#include "executor/ops/stored.h"

// GlobalAveragePool on stored integers.
STORED("GlobalAveragePool", { { 0, 1, 2 } }, 1, 3, 4, true)

const ppq_op_def ppq_op_ms_q_linear_global_average_pool =
    MICROSOFT_DEF("QLinearGlobalAveragePool", 5, 5);
