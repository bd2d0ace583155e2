#include <string.h>

#include "core/op_def.h"

// Y = X

static ppq_status forward(ppq_kernel_ctx *c)
{
    memcpy(ppq_tensor_data(&c->out[0]), ppq_tensor_data(c->in[0]), ppq_tensor_bytes(c->in[0]));
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
    .traits = PPQ_OP_PASSIVE | PPQ_OP_LAYOUT_FREE,
    .infer = ppq_infer_same,
    .forward = forward,
};
