#include "executor/ops/container.h"

// How many items a sequence has

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_shape scalar = { .rank = 0 };
    return ppq_infer_out(c, 0, PPQ_DT_I64, &scalar);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *items;
    return ppq_run_items(c, 0, &items, ppq_i64(&c->out[0]));
}

const ppq_op_def ppq_op_sequence_length = {
    .type = "SequenceLength",
    .domain = "",
    .opset_min = 11,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_CONTAINERS | PPQ_OP_NO_LINKS | PPQ_OP_SOI_SOURCE,
    .fp32_in = 0x1,
    .soi_out = 0x1,
    .infer = infer,
    .forward = forward,
};
