#include "executor/ops/container.h"

// A sequence without items; of which type they could be does not matter.

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_pack(c, 0, PPQ_DT_SEQUENCE, NULL, 0);
}

const ppq_op_def ppq_op_sequence_empty = {
    .type = "SequenceEmpty",
    .domain = "",
    .opset_min = 11,
    .in_min = 0,
    .in_max = 0,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS | PPQ_OP_RANDOM, // no constant can be a sequence
    .fp32_out = 0x1,
    .infer = ppq_infer_sequences,
    .forward = forward,
};
