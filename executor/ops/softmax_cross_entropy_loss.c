#include "executor/ops/class_loss.h"

// Inputs are scores; the second output is the logarithm of their softmax.

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_class_loss(c, true);
}

const ppq_op_def ppq_op_softmax_cross_entropy_loss = {
    .type = "SoftmaxCrossEntropyLoss",
    .domain = "",
    .opset_min = 12,
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 2,
    .fp32_in = 0x2, // target
    .infer = ppq_infer_class_loss,
    .forward = forward,
};
