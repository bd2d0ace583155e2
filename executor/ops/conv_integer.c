#include "executor/ops/conv_direct.h"
#include "executor/ops/integer.h"

// Y = (X - x_zero_point) * (W - w_zero_point) in int32; padding is what X's zero point stands for.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_integers(c, 1, c->in_shape[1].rank > 0 ? c->in_shape[1].dim[0] : -1));
    return ppq_conv_infer(c, false, 0, 1, -1);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *x = c->in[0], *w = c->in[1];
    ppq_conv_shape s;
    ppq_reason why;
    if (!ppq_conv_shape_init(&s, c->op, false, &x->shape, &w->shape, NULL, &why))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "%s", why.text);
    const int64_t per_channel = ppq_shape_numel(&w->shape) / PPQ_MAX(w->shape.dim[0], 1);
    ppq_tensor xw[2];
    PPQ_TRY(ppq_run_integers(c, 1, per_channel, xw));
    const ppq_status st =
        ppq_conv_direct(c, &s, PPQ_DT_I32, ppq_tensor_data(&xw[0]), ppq_tensor_data(&xw[1]), NULL,
                        ppq_tensor_data(&c->out[0]));
    ppq_tensor_unref(&xw[0]);
    ppq_tensor_unref(&xw[1]);
    return st;
}

const ppq_op_def ppq_op_conv_integer = {
    .type = "ConvInteger",
    .domain = "",
    .opset_min = 10,
    .in_min = 2,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 1u << 2 | 1u << 3,
    .infer = infer,
    .forward = forward,
};
