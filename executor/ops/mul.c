#include "executor/ops/binary.h"

// C = A * B
BINARY_REAL((U) a *(U) b)
BINARY_FORWARD(ppq_binary_run)
BINARY_SLOPES(b, a)

const ppq_op_def ppq_op_mul = BINARY_BACKWARD_DEF("Mul", 1, 0, ppq_infer_broadcast, backward);
