#include "executor/ops/binary.h"

// The largest of all inputs; NaN wins.
BINARY_REAL(a > b || a != a ? a : b)
BINARY_FORWARD(ppq_binary_fold)

const ppq_op_def ppq_op_max = VARIADIC_DEF("Max", 1, 0, NULL);
