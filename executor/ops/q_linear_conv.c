#include "executor/ops/conv_direct.h"
#include "executor/ops/integer.h"
#include "executor/ops/real.h"

// Conv on stored integers: sums in int32, then one quantization of sum * x_scale * w_scale.

enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS };

static ppq_status infer(ppq_infer_ctx *c)
{
    static const int scales[] = { X_SCALE, W_SCALE, Y_SCALE };
    PPQ_TRY(ppq_infer_present(c, BIAS));
    PPQ_TRY(ppq_infer_stored(c, X, X_ZERO));
    PPQ_TRY(ppq_infer_stored(c, W, W_ZERO));
    PPQ_TRY(ppq_infer_scales(c, Y_ZERO, scales, PPQ_COUNT(scales), false));
    const int64_t channels = c->in_shape[W].rank > 0 ? c->in_shape[W].dim[0] : -1;
    for (int i = X_SCALE; i <= Y_ZERO; i++)
        if (i != W)
            PPQ_TRY(ppq_infer_one_or(c, i, i == W_SCALE || i == W_ZERO ? channels : 1));
    if (c->op->n_in > BIAS && c->has_in[BIAS] && c->in_dtype[BIAS] != PPQ_DT_NONE &&
        c->in_dtype[BIAS] != PPQ_DT_I32)
        return ppq_infer_fail(c, "the bias is %s, expected int32",
                              ppq_dtype_name(c->in_dtype[BIAS]));
    return ppq_conv_infer(c, false, X, W, BIAS);
}

static ppq_status run(ppq_kernel_ctx *c, const ppq_conv_shape *s, ppq_tensor *xi, ppq_tensor *wi,
                      ppq_tensor *acc)
{
    const ppq_tensor *bias = c->op->n_in > BIAS ? c->in[BIAS] : NULL;
    const ppq_shape *w = &c->in[W]->shape;
    const int64_t per_channel = ppq_shape_numel(w) / PPQ_MAX(w->dim[0], 1);
    PPQ_TRY(ppq_minus_zero(c, c->in[X], c->in[X_ZERO], 1, xi));
    PPQ_TRY(ppq_minus_zero(c, c->in[W], c->in[W_ZERO], per_channel, wi));
    const int64_t n = ppq_shape_numel(&s->y);
    PPQ_TRY(ppq_kernel_temp(c, (size_t) n * sizeof(int32_t), acc));
    PPQ_TRY(ppq_conv_direct(c, s, PPQ_DT_I32, ppq_tensor_data(xi), ppq_tensor_data(wi),
                            bias ? ppq_tensor_data(bias) : NULL, ppq_tensor_data(acc)));
    const ppq_scales x_scale = { ppq_f32(c->in[X_SCALE]), 1, 1 };
    const ppq_scales w_scale = { ppq_f32(c->in[W_SCALE]), ppq_shape_numel(&c->in[W_SCALE]->shape),
                                 ppq_product(s->y.rank - 2, s->y.dim + 2) };
    return ppq_requantize(c, ppq_tensor_data(acc), x_scale, w_scale, Y_SCALE, Y_ZERO);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *bias = c->op->n_in > BIAS ? c->in[BIAS] : NULL;
    ppq_conv_shape s;
    ppq_reason why;
    if (!ppq_conv_shape_init(&s, c->op, false, &c->in[X]->shape, &c->in[W]->shape,
                             bias ? &bias->shape : NULL, &why))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "%s", why.text);
    ppq_tensor temp[3] = { { .dtype = PPQ_DT_NONE } };
    const ppq_status st = run(c, &s, &temp[0], &temp[1], &temp[2]);
    for (size_t i = 0; i < PPQ_COUNT(temp); i++)
        ppq_tensor_unref(&temp[i]);
    return st;
}

const ppq_op_def ppq_op_q_linear_conv = {
    .type = "QLinearConv",
    .domain = "",
    .opset_min = 10,
    .in_min = 8,
    .in_max = 9,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 1u << X_SCALE | 1u << X_ZERO | 1u << W_SCALE | 1u << W_ZERO | 1u << Y_SCALE |
               1u << Y_ZERO | 1u << BIAS,
    .infer = infer,
    .forward = forward,
};
