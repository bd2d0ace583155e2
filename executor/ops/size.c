#include "executor/ops/args.h"

// The number of the input's elements as an int64 scalar.

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_shape scalar = { .rank = 0 };
    return ppq_infer_out(c, 0, PPQ_DT_I64, &scalar);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_shape scalar = { .rank = 0 };
    PPQ_TRY(ppq_run_out(c, 0, PPQ_DT_I64, &scalar));
    ppq_i64(&c->out[0])[0] = ppq_shape_numel(&c->in[0]->shape);
    return PPQ_OK;
}

const ppq_op_def ppq_op_size = {
    .type = "Size",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS,
    .soi_out = 0x1,
    .infer = infer,
    .forward = forward,
};
