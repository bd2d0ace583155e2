#include "executor/ops/norm.h"

// Y = log(softmax(X)) along an axis.

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_along_axis(c, -1);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_real *r = ppq_real_of(c);
    return r ? ppq_run_along_axis(c, -1, r, r->log_softmax) : PPQ_ERR_UNSUPPORTED;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

static ppq_status backward(ppq_backward_ctx *c)
{
    return ppq_softmax_backward(c, -1, true);
}

const ppq_op_def ppq_op_log_softmax = {
    .type = "LogSoftmax",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
