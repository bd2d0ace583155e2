#include "executor/ops/container.h"

// Whether there is an input and, if it is an optional, whether that holds something

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_shape scalar = { .rank = 0 };
    return ppq_infer_out(c, 0, PPQ_DT_BOOL, &scalar);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *x = c->op->n_in > 0 ? c->in[0] : NULL;
    uint8_t *y = ppq_tensor_data(&c->out[0]);
    *y = x && (x->dtype != PPQ_DT_OPTIONAL || ppq_container_count(x) > 0);
    return PPQ_OK;
}

const ppq_op_def ppq_op_optional_has_element = {
    .type = "OptionalHasElement",
    .domain = "",
    .opset_min = 15,
    .in_min = 0,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_CONTAINERS | PPQ_OP_NO_LINKS,
    .fp32_in = 0x1,
    .fp32_out = 0x1,
    .infer = infer,
    .forward = forward,
};
