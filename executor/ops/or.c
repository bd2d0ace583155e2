#include "executor/ops/binary.h"

// C = A or B
BINARY_BOOL(a != 0 || b != 0)
BINARY_FORWARD(ppq_binary_run)

const ppq_op_def ppq_op_or = COMPARE_DEF("Or", 1);
