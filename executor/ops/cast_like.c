#include "executor/ops/cast.h"

// Y = X as the type of the second input

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_cast(c, c->in_dtype[1]);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_cast(c, c->in[1]->dtype);
}

const ppq_op_def ppq_op_cast_like = {
    .type = "CastLike",
    .domain = "",
    .opset_min = 15,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
