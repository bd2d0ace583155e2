#include "executor/ops/conv_direct.h"
#include "executor/ops/conv_shape.h"
#include "executor/ops/real.h"

// Y = X * W + B, the sum of products over a sliding window.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 2, 3));
    c->out_dtype[0] = c->in_dtype[0];
    return ppq_conv_infer(c, false, 0, 1, 2);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    return ppq_conv_float(c, false);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

static ppq_status backward(ppq_backward_ctx *c)
{
    return ppq_conv_backward(c, false);
}

const ppq_op_def ppq_op_conv = {
    .type = "Conv",
    .domain = "",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_COMPUTE,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
