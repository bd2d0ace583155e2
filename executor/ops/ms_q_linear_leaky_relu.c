#include "executor/ops/stored.h"

// LeakyRelu on stored integers.
STORED("LeakyRelu", { { 0, 1, 2 } }, 1, 3, 4)

const ppq_op_def ppq_op_ms_q_linear_leaky_relu = MICROSOFT_DEF("QLinearLeakyRelu", 4, 5);
