#include "executor/ops/fused.h"

#include <math.h>
#include <string.h>

ppq_status ppq_infer_fused(ppq_infer_ctx *c, const char *inner)
{
    ppq_shape out;
    PPQ_TRY(ppq_infer_floats(c, 2, c->op->n_in));
    PPQ_TRY(ppq_inner_infer(c, inner, c->in_shape, 2, &out));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

enum { NONE, RELU, TANH, SIGMOID, LEAKY_RELU, CLIP, HARD_SIGMOID, HARD_SWISH };
static const char *const activations[] = { "",          "Relu", "Tanh",        "Sigmoid",
                                           "LeakyRelu", "Clip", "HardSigmoid", "HardSwish",
                                           NULL };

static float activate(int kind, float x, const float *p)
{
    switch (kind) {
    case RELU:
        return x > 0 ? x : 0;
    case TANH:
        return tanhf(x);
    case SIGMOID:
        return 1 / (1 + expf(-x));
    case LEAKY_RELU:
        return x < 0 ? p[0] * x : x;
    case CLIP:
        return fminf(fmaxf(x, p[0]), p[1]);
    case HARD_SIGMOID:
        return fminf(fmaxf(p[0] * x + p[1], 0), 1);
    case HARD_SWISH:
        return x * fminf(fmaxf(x / 6 + 0.5f, 0), 1);
    default:
        return x;
    }
}

static ppq_status finish(ppq_kernel_ctx *c, const ppq_tensor *y, int sum_slot)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *sum = sum_slot >= 0 && sum_slot < c->op->n_in ? c->in[sum_slot] : NULL;
    const ppq_attr *given = ppq_op_attr(c->op, "activation_params");
    float param[2] = { ppq_op_attr_float(c->op, "activation_alpha", 0),
                       ppq_op_attr_float(c->op, "activation_beta", 0) };
    int kind;
    PPQ_TRY(ppq_args_choice(&a, "activation", activations, &kind));
    if (given && given->kind == PPQ_ATTR_FLOATS)
        memcpy(param, given->u.floats, PPQ_MIN(given->count, 2) * sizeof(float));
    if (sum && !ppq_shape_equal(&sum->shape, &y->shape))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the tensor to add has another shape");
    PPQ_TRY(ppq_run_out(c, 0, PPQ_DT_F32, &y->shape));
    const int64_t n = ppq_shape_numel(&y->shape);
    for (int64_t i = 0; i < n; i++) {
        const float v = ppq_f32(y)[i] + (sum ? ppq_f32(sum)[i] : 0);
        ppq_f32(&c->out[0])[i] = activate(kind, v, param);
    }
    return PPQ_OK;
}

ppq_status ppq_run_fused(ppq_kernel_ctx *c, const char *inner, int sum)
{
    ppq_tensor in[3] = { { 0 } }, y = { 0 }; // borrowed, owned
    for (int i = 0; i < 3 && i < c->op->n_in; i++)
        if (c->in[i])
            in[i] = *c->in[i];
    if (in[0].dtype != PPQ_DT_F32)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "float64 is not supported");
    ppq_status st = ppq_inner_eval(c, inner, in, in[2].buf ? 3 : 2, &y);
    if (st == PPQ_OK)
        st = finish(c, &y, sum);
    ppq_tensor_unref(&y);
    return st;
}
