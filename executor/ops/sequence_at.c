#include "executor/ops/container.h"

// The item at a position, negative ones from the end

static ppq_status infer(ppq_infer_ctx *c)
{
    (void) c; // items may differ
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *items;
    int64_t n, at;
    PPQ_TRY(ppq_run_items(c, 0, &items, &n));
    PPQ_TRY(ppq_run_position(c, 1, n, false, 0, &at));
    ppq_run_pass(c, 0, &items[at]);
    return PPQ_OK;
}

const ppq_op_def ppq_op_sequence_at = {
    .type = "SequenceAt",
    .domain = "",
    .opset_min = 11,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x1,
    .soi_in = 0x2,
    .traits = PPQ_OP_CONTAINERS,
    .infer = infer,
    .forward = forward,
};
