#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/real.h"
#include "executor/ops/types.h"

// Y = min(max(X, lo), hi); either bound may be left out. NaN stays NaN, and when lo > hi, Y = hi.

#define CLIP(id, type, ...)                                                    \
    case PPQ_DT_##id: {                                                        \
        const type *x = ppq_tensor_data(c->in[0]);                             \
        type *y = ppq_tensor_data(&c->out[0]);                                 \
        const type *lo = has_lo ? ppq_tensor_data(c->in[1]) : NULL;            \
        const type *hi = has_hi ? ppq_tensor_data(c->in[2]) : NULL;            \
        if (lo && hi) {                                                        \
            const type l = *lo, h = *hi;                                       \
            for (int64_t i = 0; i < n; i++) {                                  \
                const type v = x[i] < l ? l : x[i];                            \
                y[i] = v > h ? h : v;                                          \
            }                                                                  \
        } else {                                                               \
            for (int64_t i = 0; i < n; i++)                                    \
                y[i] = lo && x[i] < *lo ? *lo : hi && x[i] > *hi ? *hi : x[i]; \
        }                                                                      \
        return PPQ_OK;                                                         \
    }

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const bool has_lo = ppq_args_has(&a, 1), has_hi = ppq_args_has(&a, 2);
    const int64_t n = ppq_shape_numel(&c->in[0]->shape);
    for (int i = 1; i <= 2; i++) {
        if (!ppq_args_has(&a, i))
            continue;
        if (ppq_shape_numel(&c->in[i]->shape) != 1)
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input %d is not a scalar", i);
        if (c->in[i]->dtype != c->in[0]->dtype)
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input 0 is %s and input %d is %s",
                                   ppq_dtype_name(c->in[0]->dtype), i,
                                   ppq_dtype_name(c->in[i]->dtype));
    }
    switch ((int) c->in[0]->dtype) {
        TYPES_REAL(CLIP, 0)
    default:
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "an input of %s is not supported",
                               ppq_dtype_name(c->in[0]->dtype));
    }
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

// A bound gets the gradients of all elements that it stands in for.
static ppq_status backward(ppq_backward_ctx *c)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (idle)
        return PPQ_OK;
    const ppq_args a = ppq_args_run(&k);
    const float *x = ppq_f32(c->in[0]), *g = ppq_grad_out(c, 0);
    const float *lo = ppq_args_has(&a, 1) ? ppq_f32(c->in[1]) : NULL;
    const float *hi = ppq_args_has(&a, 2) ? ppq_f32(c->in[2]) : NULL;
    float *dx = ppq_grad_in(c, 0);
    double sum[3] = { 0 };
    for (int64_t i = 0; i < ppq_shape_numel(&c->in[0]->shape); i++) {
        const bool below = lo && x[i] < *lo;
        const bool above = hi && (below ? *lo : x[i]) > *hi;
        if (dx)
            dx[i] = below || above ? 0 : g[i];
        sum[above ? 2 : below ? 1 : 0] += (double) g[i];
    }
    for (int i = 1; i <= 2; i++)
        if (ppq_grad_in(c, i))
            *ppq_grad_in(c, i) = (float) sum[i];
    return PPQ_OK;
}

const ppq_op_def ppq_op_clip = {
    .type = "Clip",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_ACTIVATION | PPQ_OP_LAYOUT_FREE,
    .fp32_in = 0x6, // min, max
    .infer = ppq_infer_same,
    .forward = forward,
    .backward = backward,
};
