#include "executor/ops/stored.h"

// C = A + B on stored integers.
STORED("Add", { { 0, 1, 2 }, { 3, 4, 5 } }, 2, 6, 7)

const ppq_op_def ppq_op_ms_q_linear_add = MICROSOFT_DEF("QLinearAdd", 7, 8);
