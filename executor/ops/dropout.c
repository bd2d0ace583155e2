#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/real.h"

// Inference: Y = X and a mask that keeps everything.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 1, 1));
    PPQ_TRY(ppq_infer_out(c, 0, c->in_dtype[0], &c->in_shape[0]));
    return ppq_infer_out(c, 1, PPQ_DT_BOOL, &c->in_shape[0]);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *x = c->in[0];
    const ppq_tensor *training = ppq_args_value(&a, 2);
    double on, ratio = 0.5;
    if (ppq_const_scalar(training, &on) && on != 0 &&
        (!ppq_args_has(&a, 1) || !ppq_const_scalar(c->in[1], &ratio) || ratio != 0))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "training mode is not supported");
    if (ppq_tensor_bytes(x))
        memcpy(ppq_tensor_data(&c->out[0]), ppq_tensor_data(x), ppq_tensor_bytes(x));
    if (c->op->n_out > 1)
        memset(ppq_tensor_data(&c->out[1]), 1, ppq_tensor_bytes(&c->out[1]));
    return PPQ_OK;
}

const ppq_op_def ppq_op_dropout = {
    .type = "Dropout",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 3,
    .out_min = 1,
    .out_max = 2,
    .traits = PPQ_OP_PASSIVE | PPQ_OP_LAYOUT_FREE,
    .fp32_in = 0x6,  // ratio, training_mode
    .fp32_out = 0x2, // mask
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_copy,
};
