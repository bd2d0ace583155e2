#include "executor/ops/binary.h"

// C = A > B
BINARY_TEST(a > b)
BINARY_FORWARD(ppq_binary_run)

const ppq_op_def ppq_op_greater = COMPARE_DEF("Greater", 1);
