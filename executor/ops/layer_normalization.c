#include <math.h>

#include "executor/ops/norm.h"
#include "executor/ops/window.h"

// Y = (X - mean) / sqrt(var + epsilon) * Scale + B over all dimensions from an axis on; Mean and
// InvStdDev are optional outputs.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 2, 3));
    const ppq_shape *x = &c->in_shape[0];
    for (int i = 1; i < 3; i++)
        PPQ_TRY(ppq_infer_norm_param(c, i));
    PPQ_TRY(ppq_infer_same(c));
    if (x->rank < 0)
        return PPQ_OK;
    PPQ_TRY(ppq_infer_axis(c, -1, x->rank));
    int axis = 0;
    (void) ppq_axis_normalize(ppq_op_attr_int(c->op, "axis", -1), x->rank, &axis);
    for (int i = 1; i < c->op->n_out; i++) {
        c->out_shape[i] = *x;
        for (int d = axis; d < x->rank; d++)
            c->out_shape[i].dim[d] = 1;
        c->out_dtype[i] = c->in_dtype[0] == PPQ_DT_F64 || c->in_dtype[0] == PPQ_DT_NONE
                              ? c->in_dtype[0]
                              : PPQ_DT_F32;
    }
    return PPQ_OK;
}

static void statistics(const ppq_kernel_ctx *c, const ppq_real *r, int64_t row, double mean,
                       double inv)
{
    if (c->op->n_out > 1)
        r->store(ppq_tensor_data(&c->out[1]), row, mean);
    if (c->op->n_out > 2)
        r->store(ppq_tensor_data(&c->out[2]), row, inv);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_real *r = ppq_real_of(c);
    if (!r)
        return PPQ_ERR_UNSUPPORTED;
    const ppq_shape *s = &c->in[0]->shape;
    const int axis = ppq_run_axis(c, -1);
    const int64_t rows = ppq_product(axis, s->dim);
    const int64_t n = ppq_product(s->rank - axis, s->dim + axis);
    const double eps = (double) ppq_op_attr_float(c->op, "epsilon", 1e-5f);
    const bool has_bias = c->op->n_in > 2 && c->in[2];
    ppq_tensor scale, bias = { 0 };
    int64_t scale_period, bias_period = 1;
    PPQ_TRY(ppq_norm_param(c, r, c->in[1], axis, &scale, &scale_period));
    ppq_status st = PPQ_OK;
    if (has_bias)
        st = ppq_norm_param(c, r, c->in[2], axis, &bias, &bias_period);
    // Without elements there are still statistics to write, if they are wanted.
    const int64_t used_rows = n || c->op->n_out > 1 ? rows : 0;
    for (int64_t i = 0; st == PPQ_OK && i < used_rows; i++) {
        const void *x = ppq_at(r, c->in[0], i * n);
        double mean, variance;
        ppq_moments(r, x, n, &mean, &variance);
        const double inv = 1 / sqrt(variance + eps);
        if (n)
            r->normalize(ppq_at(r, &c->out[0], i * n), x, n, mean, inv,
                         ppq_at(r, &scale, i * n % scale_period),
                         has_bias ? ppq_at(r, &bias, i * n % bias_period) : NULL);
        statistics(c, r, i, mean, inv);
    }
    ppq_tensor_unref(&scale);
    ppq_tensor_unref(&bias);
    return st;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

// The rows of one backward pass; n elements each.
typedef struct rows {
    const ppq_real *r;
    int64_t count, n;
    double eps;
} rows;

static void row_moments(const rows *s, const float *x, double *mean, double *inv)
{
    double variance;
    ppq_moments(s->r, x, s->n, mean, &variance);
    *inv = 1 / sqrt(variance + s->eps);
}

static ppq_status backward_x(const ppq_backward_ctx *c, ppq_kernel_ctx *k, const rows *s, int axis)
{
    const float *x = ppq_f32(c->in[0]), *g = ppq_grad_out(c, 0);
    float *dx = ppq_grad_in(c, 0);
    ppq_tensor scale;
    int64_t period;
    PPQ_TRY(ppq_norm_param(k, s->r, c->in[1], axis, &scale, &period));
    for (int64_t i = 0; i < s->count; i++) {
        const int64_t at = i * s->n;
        const float *by = ppq_f32(&scale) + at % period;
        double mean, inv;
        row_moments(s, x + at, &mean, &inv);
        for (int64_t e = 0; e < s->n; e++)
            dx[at + e] = g[at + e] * by[e];
        ppq_normalize_backward(x + at, dx + at, s->n, mean, inv);
    }
    ppq_tensor_unref(&scale);
    return PPQ_OK;
}

static ppq_status backward_scale(const ppq_backward_ctx *c, ppq_kernel_ctx *k, const rows *s)
{
    const float *x = ppq_f32(c->in[0]), *g = ppq_grad_out(c, 0);
    ppq_tensor product;
    PPQ_TRY(ppq_backward_temp(k, &c->in[0]->shape, &product));
    float *p = ppq_f32(&product);
    for (int64_t i = 0; i < s->count; i++) {
        double mean, inv;
        row_moments(s, x + i * s->n, &mean, &inv);
        for (int64_t e = i * s->n; e < (i + 1) * s->n; e++)
            p[e] = (float) ((double) g[e] * ((double) x[e] - mean) * inv);
    }
    const ppq_status st = ppq_sum_to(k, p, &c->in[0]->shape, 1, &c->grad_in[1]);
    ppq_tensor_unref(&product);
    return st;
}

static ppq_status backward(ppq_backward_ctx *c)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    for (int i = 1; i < c->op->n_out; i++)
        if (ppq_grad_out(c, i))
            return ppq_kernel_fail(&k, PPQ_ERR_UNSUPPORTED,
                                   "the gradient of output %d is not followed", i);
    const ppq_shape *s = &c->in[0]->shape;
    if (idle)
        return PPQ_OK;
    const int axis = ppq_run_axis(&k, -1);
    const rows r = { .r = ppq_real_of(&k),
                     .count = ppq_product(axis, s->dim),
                     .n = ppq_product(s->rank - axis, s->dim + axis),
                     .eps = (double) ppq_op_attr_float(c->op, "epsilon", 1e-5f) };
    if (!r.r)
        return PPQ_ERR_UNSUPPORTED;
    if (ppq_grad_in(c, 0))
        PPQ_TRY(backward_x(c, &k, &r, axis));
    if (ppq_grad_in(c, 1))
        PPQ_TRY(backward_scale(c, &k, &r));
    return ppq_grad_in(c, 2) ? ppq_sum_to(&k, ppq_grad_out(c, 0), s, 1, &c->grad_in[2]) : PPQ_OK;
}

const ppq_op_def ppq_op_layer_normalization = {
    .type = "LayerNormalization",
    .domain = "",
    .opset_min = 17,
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 3,
    .fp32_out = 1u << 1 | 1u << 2,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
