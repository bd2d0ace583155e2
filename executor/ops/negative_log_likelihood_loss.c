#include "executor/ops/class_loss.h"

// Inputs are logarithms of probabilities.

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_class_loss(c, false);
}

const ppq_op_def ppq_op_negative_log_likelihood_loss = {
    .type = "NegativeLogLikelihoodLoss",
    .domain = "",
    .opset_min = 12,
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x2, // target
    .infer = ppq_infer_class_loss,
    .forward = forward,
};
