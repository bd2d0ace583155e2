#include "executor/ops/binary.h"

// C = A - B
BINARY_REAL((U) a - (U) b)
BINARY_FORWARD(ppq_binary_run)
BINARY_SLOPES(1, -1)

const ppq_op_def ppq_op_sub =
    BINARY_BACKWARD_DEF("Sub", 1, PPQ_OP_ELEMENTWISE, ppq_infer_broadcast, backward);
