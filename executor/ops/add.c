#include "executor/ops/backward.h"
#include "executor/ops/binary.h"

// C = A + B
BINARY_REAL((U) a + (U) b)
BINARY_FORWARD(ppq_binary_run)

const ppq_op_def ppq_op_add =
    BINARY_BACKWARD_DEF("Add", 1, PPQ_OP_ELEMENTWISE, ppq_infer_broadcast, ppq_backward_sum);
