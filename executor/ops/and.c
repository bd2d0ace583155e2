#include "executor/ops/binary.h"

// C = A and B
BINARY_BOOL(a != 0 && b != 0)
BINARY_FORWARD(ppq_binary_run)

const ppq_op_def ppq_op_and = COMPARE_DEF("And", 1);
