#include "executor/ops/container.h"

// The sequence with a tensor in front of a position, by default behind all

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *items;
    int64_t n, at;
    PPQ_TRY(ppq_run_items(c, 0, &items, &n));
    PPQ_TRY(ppq_run_position(c, 2, n, true, n, &at));
    if (n && items[0].dtype != c->in[1]->dtype)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the tensor is %s, those in the sequence are %s",
                               ppq_dtype_name(c->in[1]->dtype), ppq_dtype_name(items[0].dtype));
    ppq_tensor *all = ppq_new_n(c->scratch, ppq_tensor, (size_t) n + 1);
    for (int64_t i = 0; i <= n; i++)
        all[i] = ppq_tensor_ref(i == at ? c->in[1] : &items[i - (i > at)]);
    return ppq_run_pack(c, 0, PPQ_DT_SEQUENCE, all, n + 1);
}

const ppq_op_def ppq_op_sequence_insert = {
    .type = "SequenceInsert",
    .domain = "",
    .opset_min = 11,
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x3,
    .soi_in = 0x4,
    .fp32_out = 0x1,
    .traits = PPQ_OP_CONTAINERS,
    .infer = ppq_infer_sequences,
    .forward = forward,
};
