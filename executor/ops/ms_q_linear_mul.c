#include "executor/ops/stored.h"

// C = A * B on stored integers.
STORED("Mul", { { 0, 1, 2 }, { 3, 4, 5 } }, 2, 6, 7)

const ppq_op_def ppq_op_ms_q_linear_mul = MICROSOFT_DEF("QLinearMul", 7, 8);
