#include "executor/ops/stored.h"

// AveragePool on stored integers.
STORED("AveragePool", { { 0, 1, 2 } }, 1, 3, 4, true)

const ppq_op_def ppq_op_ms_q_linear_average_pool = MICROSOFT_DEF("QLinearAveragePool", 4, 5);
