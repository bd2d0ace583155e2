#include "executor/ops/container.h"

// What an optional holds; anything else is its own element.

static ppq_status infer(ppq_infer_ctx *c)
{
    if (c->in_dtype[0] == PPQ_DT_NONE || c->in_dtype[0] == PPQ_DT_OPTIONAL)
        return PPQ_OK;
    c->out_dtype[0] = c->in_dtype[0];
    if (!ppq_dtype_is_container(c->in_dtype[0]))
        c->out_shape[0] = c->in_shape[0];
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *x = c->in[0];
    if (x->dtype == PPQ_DT_OPTIONAL && ppq_container_count(x) == 0)
        return ppq_kernel_fail(c, PPQ_ERR_DATA, "the optional is empty");
    ppq_run_pass(c, 0, x->dtype == PPQ_DT_OPTIONAL ? ppq_container_items(x) : x);
    return PPQ_OK;
}

const ppq_op_def ppq_op_optional_get_element = {
    .type = "OptionalGetElement",
    .domain = "",
    .opset_min = 15,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x1,
    .traits = PPQ_OP_CONTAINERS,
    .infer = infer,
    .forward = forward,
};
