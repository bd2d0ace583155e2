#include "executor/ops/binary.h"

// C = A ^ B, bit by bit
BINARY_INT(a ^ b)
BINARY_FORWARD(ppq_binary_run)

const ppq_op_def ppq_op_bitwise_xor = BINARY_DEF("BitwiseXor", 18, 0, ppq_infer_broadcast);
