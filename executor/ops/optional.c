#include "executor/ops/container.h"

// An optional that holds the input, or nothing

static ppq_status infer(ppq_infer_ctx *c)
{
    c->out_dtype[0] = PPQ_DT_OPTIONAL;
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const bool full = c->op->n_in > 0 && c->in[0];
    ppq_tensor item = { 0 };
    if (full)
        item = ppq_tensor_ref(c->in[0]);
    return ppq_run_pack(c, 0, PPQ_DT_OPTIONAL, &item, full);
}

const ppq_op_def ppq_op_optional = {
    .type = "Optional",
    .domain = "",
    .opset_min = 15,
    .in_min = 0,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_CONTAINERS | PPQ_OP_RANDOM, // no constant can be an optional
    .fp32_in = 0x1,
    .fp32_out = 0x1,
    .infer = infer,
    .forward = forward,
};
