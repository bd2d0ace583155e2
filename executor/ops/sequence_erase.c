#include "executor/ops/container.h"

// The sequence without the item at a position, by default the last one

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *items;
    int64_t n, at;
    PPQ_TRY(ppq_run_items(c, 0, &items, &n));
    PPQ_TRY(ppq_run_position(c, 1, n, false, n - 1, &at));
    ppq_tensor *rest = ppq_new_n(c->scratch, ppq_tensor, (size_t) n + 1);
    for (int64_t i = 0; i < n - 1; i++)
        rest[i] = ppq_tensor_ref(&items[i + (i >= at)]);
    return ppq_run_pack(c, 0, PPQ_DT_SEQUENCE, rest, n - 1);
}

const ppq_op_def ppq_op_sequence_erase = {
    .type = "SequenceErase",
    .domain = "",
    .opset_min = 11,
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x1,
    .soi_in = 0x2,
    .fp32_out = 0x1,
    .traits = PPQ_OP_CONTAINERS,
    .infer = ppq_infer_sequences,
    .forward = forward,
};
