#include "executor/ops/conv_direct.h"
#include "executor/ops/conv_shape.h"
#include "executor/ops/real.h"

// The gradient of Conv with respect to its input: every element spreads a weighted window.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 2, 3));
    c->out_dtype[0] = c->in_dtype[0];
    return ppq_conv_infer(c, true, 0, 1, 2);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    return ppq_conv_float(c, true);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

static ppq_status backward(ppq_backward_ctx *c)
{
    return ppq_conv_backward(c, true);
}

const ppq_op_def ppq_op_conv_transpose = {
    .type = "ConvTranspose",
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
