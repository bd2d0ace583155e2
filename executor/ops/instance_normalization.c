#include <math.h>

#include "executor/ops/norm.h"
#include "executor/ops/window.h"

// Y = (X - mean) / sqrt(var + epsilon) * scale + B, with the statistics of each channel of each
// sample.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 3, 3));
    const ppq_shape *x = &c->in_shape[0];
    if (x->rank >= 0 && x->rank < 3)
        return ppq_infer_fail(c, "the input has rank %d, expected 3 to %d", x->rank, PPQ_MAX_RANK);
    for (int i = 1; i < 3; i++)
        PPQ_TRY(ppq_infer_vector(c, i, x->rank < 0 ? PPQ_DIM_UNKNOWN : x->dim[1]));
    return ppq_infer_same(c);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    return ppq_run_group_norm(c, c->in[0]->shape.dim[1], true); // a group is one channel
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

static ppq_status backward(ppq_backward_ctx *c)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (idle)
        return PPQ_OK;
    const ppq_real *r = ppq_real_of(&k);
    if (!r)
        return PPQ_ERR_UNSUPPORTED;
    const ppq_shape *s = &c->in[0]->shape;
    const double eps = (double) ppq_op_attr_float(c->op, "epsilon", 1e-5f);
    const int64_t size = ppq_product(s->rank - 2, s->dim + 2);
    float *dx = ppq_grad_in(c, 0), *scale = ppq_grad_in(c, 1), *bias = ppq_grad_in(c, 2);
    for (int64_t i = 0; i < s->dim[0] * s->dim[1]; i++) {
        const int64_t ch = i % s->dim[1];
        const float *x = ppq_f32(c->in[0]) + i * size, *g = ppq_grad_out(c, 0) + i * size;
        const float by = ppq_f32(c->in[1])[ch];
        double mean, variance, product = 0;
        ppq_moments(r, x, size, &mean, &variance);
        const double inv = 1 / sqrt(variance + eps);
        for (int64_t e = 0; e < size; e++)
            product += (double) g[e] * ((double) x[e] - mean) * inv;
        if (scale)
            scale[ch] += (float) product;
        if (bias)
            bias[ch] += (float) r->sum(g, size, 1);
        if (!dx)
            continue;
        for (int64_t e = 0; e < size; e++)
            dx[i * size + e] = g[e] * by;
        ppq_normalize_backward(x, dx + i * size, size, mean, inv);
    }
    return PPQ_OK;
}

const ppq_op_def ppq_op_instance_normalization = {
    .type = "InstanceNormalization",
    .domain = "",
    .opset_min = 1,
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
