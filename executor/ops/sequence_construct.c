#include "executor/ops/container.h"

// A sequence of the inputs

static ppq_status forward(ppq_kernel_ctx *c)
{
    const int n = c->op->n_in;
    for (int i = 0; i < n; i++)
        if (!c->in[i] || c->in[i]->dtype != c->in[0]->dtype)
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input %d is not of the first one's type", i);
    ppq_tensor *items = ppq_new_n(c->scratch, ppq_tensor, (size_t) n + 1);
    for (int i = 0; i < n; i++)
        items[i] = ppq_tensor_ref(c->in[i]);
    return ppq_run_pack(c, 0, PPQ_DT_SEQUENCE, items, n);
}

const ppq_op_def ppq_op_sequence_construct = {
    .type = "SequenceConstruct",
    .domain = "",
    .opset_min = 11,
    .in_min = 1,
    .in_max = -1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_RANDOM, // no constant can be a sequence
    .fp32_in = UINT32_MAX,
    .fp32_out = 0x1,
    .infer = ppq_infer_sequences,
    .forward = forward,
};
