#include "executor/ops/conv_direct.h"
#include "executor/ops/integer.h"
#include "executor/ops/real.h"

// Y = (X - x_zero_point) * (W - w_zero_point) in int32; padding is what X's zero point stands for.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_present(c, 2));
    PPQ_TRY(ppq_infer_stored(c, 0, 2));
    PPQ_TRY(ppq_infer_stored(c, 1, 3));
    PPQ_TRY(ppq_infer_one_or(c, 2, 1));
    PPQ_TRY(ppq_infer_one_or(c, 3, c->in_shape[1].rank > 0 ? c->in_shape[1].dim[0] : -1));
    c->out_dtype[0] = PPQ_DT_I32;
    return ppq_conv_infer(c, false, 0, 1, -1);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *x = c->in[0], *w = c->in[1];
    const ppq_tensor *x_zero = c->op->n_in > 2 ? c->in[2] : NULL;
    const ppq_tensor *w_zero = c->op->n_in > 3 ? c->in[3] : NULL;
    ppq_conv_shape s;
    ppq_reason why;
    if (!ppq_conv_shape_init(&s, c->op, false, &x->shape, &w->shape, NULL, &why))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "%s", why.text);
    const int64_t per_channel = ppq_shape_numel(&w->shape) / PPQ_MAX(w->shape.dim[0], 1);
    ppq_tensor xi = { .dtype = PPQ_DT_NONE }, wi = { .dtype = PPQ_DT_NONE };
    ppq_status st = ppq_minus_zero(c, x, x_zero, 1, &xi);
    if (st == PPQ_OK)
        st = ppq_minus_zero(c, w, w_zero, per_channel, &wi);
    if (st == PPQ_OK)
        st = ppq_conv_direct(c, &s, PPQ_DT_I32, ppq_tensor_data(&xi), ppq_tensor_data(&wi), NULL,
                             ppq_tensor_data(&c->out[0]));
    ppq_tensor_unref(&xi);
    ppq_tensor_unref(&wi);
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
