#include "executor/ops/backward.h"
#include "executor/ops/container.h"

#include <string.h>

// Y = X, whatever it is

static ppq_status infer(ppq_infer_ctx *c)
{
    c->out_dtype[0] = c->in_dtype[0];
    if (!ppq_dtype_is_container(c->in_dtype[0]))
        c->out_shape[0] = c->in_shape[0];
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *x = c->in[0];
    if (ppq_dtype_is_container(x->dtype) || x->dtype == PPQ_DT_STRING)
        ppq_run_pass(c, 0, x); // what it refers to stays where it is
    else if (ppq_tensor_bytes(x))
        memcpy(ppq_tensor_data(&c->out[0]), ppq_tensor_data(x), ppq_tensor_bytes(x));
    return PPQ_OK;
}

const ppq_op_def ppq_op_identity = {
    .type = "Identity",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_CONTAINERS | PPQ_OP_PASSIVE | PPQ_OP_LAYOUT_FREE,
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_copy,
};
