#include "executor/ops/stored.h"

// Sigmoid on stored integers.
STORED("Sigmoid", { { 0, 1, 2 } }, 1, 3, 4)

const ppq_op_def ppq_op_ms_q_linear_sigmoid = MICROSOFT_DEF("QLinearSigmoid", 4, 5);
