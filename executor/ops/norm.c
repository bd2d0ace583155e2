#include "executor/ops/norm.h"

#include <math.h>

#include "executor/ops/window.h"

ppq_status ppq_infer_vector(ppq_infer_ctx *c, int slot, int64_t n)
{
    const ppq_shape *s = &c->in_shape[slot];
    if (s->rank < 0)
        return PPQ_OK;
    if (s->rank != 1)
        return ppq_infer_fail(c, "input %d has rank %d, expected 1", slot, s->rank);
    if (n >= 0 && s->dim[0] >= 0 && s->dim[0] != n)
        return ppq_infer_fail(c, "input %d has %lld values, expected %lld", slot,
                              (long long) s->dim[0], (long long) n);
    return PPQ_OK;
}

ppq_status ppq_run_group_norm(ppq_kernel_ctx *c, int64_t groups, bool per_group)
{
    const ppq_real *r = ppq_real_of(c);
    if (!r)
        return PPQ_ERR_UNSUPPORTED;
    const ppq_shape *s = &c->in[0]->shape;
    if (ppq_shape_numel(s) == 0)
        return PPQ_OK;
    const double eps = (double) ppq_op_attr_float(c->op, "epsilon", 1e-5f);
    const int64_t width = s->dim[1] / groups, size = ppq_product(s->rank - 2, s->dim + 2);
    for (int64_t i = 0; i < s->dim[0] * groups; i++) {
        double mean, variance;
        ppq_moments(r, ppq_at(r, c->in[0], i * width * size), width * size, &mean, &variance);
        for (int64_t plane = i * width; plane < (i + 1) * width; plane++) {
            const int64_t param = per_group ? i % groups : plane % s->dim[1];
            const double scale = r->load(ppq_tensor_data(c->in[1]), param) / sqrt(variance + eps);
            const double shift = r->load(ppq_tensor_data(c->in[2]), param) - mean * scale;
            r->affine(ppq_at(r, &c->out[0], plane * size), ppq_at(r, c->in[0], plane * size), size,
                      scale, shift);
        }
    }
    return PPQ_OK;
}

ppq_status ppq_infer_axis(ppq_infer_ctx *c, int64_t fallback, int rank)
{
    const int64_t axis = ppq_op_attr_int(c->op, "axis", fallback);
    int at;
    if (!ppq_axis_normalize(axis, rank, &at))
        return ppq_infer_fail(c, "axis is %lld, expected %d to %d", (long long) axis, -rank,
                              rank - 1);
    return PPQ_OK;
}

int ppq_run_axis(const ppq_kernel_ctx *c, int64_t fallback)
{
    int axis = 0;
    (void) ppq_axis_normalize(ppq_op_attr_int(c->op, "axis", fallback), c->in[0]->shape.rank,
                              &axis);
    return axis;
}

ppq_axis_split ppq_split_at(const ppq_shape *s, int axis)
{
    if (s->rank == 0)
        return (ppq_axis_split){ 1, 1, 1 };
    return (ppq_axis_split){ .outer = ppq_product(axis, s->dim),
                             .size = s->dim[axis],
                             .inner = ppq_product(s->rank - axis - 1, s->dim + axis + 1) };
}

ppq_status ppq_infer_norm_param(ppq_infer_ctx *c, int slot)
{
    if (slot >= c->op->n_in || !c->has_in[slot])
        return PPQ_OK;
    ppq_shape wide = c->in_shape[0];
    const ppq_shape *p = &c->in_shape[slot];
    bool fits = p->rank <= wide.rank || p->rank < 0 || wide.rank < 0;
    fits = fits && ppq_shape_broadcast(&wide, p);
    for (int i = 0; fits && i < wide.rank; i++)
        fits = c->in_shape[0].dim[i] < 0 || wide.dim[i] < 0 || wide.dim[i] == c->in_shape[0].dim[i];
    if (fits)
        return PPQ_OK;
    char a[128], b[128];
    return ppq_infer_fail(c, "input %d of shape %s cannot be broadcast to %s", slot,
                          ppq_shape_str(p, a, sizeof(a)),
                          ppq_shape_str(&c->in_shape[0], b, sizeof(b)));
}

// True when the dimensions from `axis` on are those of `x`, and all before are 1.
static bool is_row_of(const ppq_shape *p, const ppq_shape *x, int axis)
{
    for (int i = 0; i < p->rank; i++) {
        const int d = x->rank - p->rank + i;
        if (p->dim[i] != (d < axis ? 1 : x->dim[d]))
            return false;
    }
    return p->rank >= x->rank - axis;
}

ppq_status ppq_norm_param(ppq_kernel_ctx *c, const ppq_real *r, const ppq_tensor *t, int axis,
                          ppq_tensor *out, int64_t *period)
{
    const ppq_shape *x = &c->in[0]->shape;
    if (is_row_of(&t->shape, x, axis)) {
        *period = ppq_product(x->rank - axis, x->dim + axis);
        *out = ppq_tensor_ref(t);
        return PPQ_OK;
    }
    *period = ppq_shape_numel(x);
    PPQ_TRY(ppq_kernel_temp(c, (size_t) *period * r->size, out));
    int64_t step[PPQ_MAX_RANK], at[PPQ_MAX_RANK] = { 0 };
    ppq_broadcast_strides(&t->shape, x, step);
    for (int64_t i = 0; i < *period; i++) {
        int64_t from = 0;
        for (int d = 0; d < x->rank; d++)
            from += at[d] * step[d];
        r->store(ppq_tensor_data(out), i, r->load(ppq_tensor_data(t), from));
        (void) ppq_next(x->rank, x->dim, at);
    }
    return PPQ_OK;
}

ppq_status ppq_infer_along_axis(ppq_infer_ctx *c, int64_t fallback)
{
    PPQ_TRY(ppq_infer_floats(c, 1, 1));
    if (c->in_shape[0].rank > 0)
        PPQ_TRY(ppq_infer_axis(c, fallback, c->in_shape[0].rank));
    return ppq_infer_same(c);
}

ppq_status ppq_run_along_axis(ppq_kernel_ctx *c, int64_t fallback, const ppq_real *r,
                              void (*row)(void *y, const void *x, int64_t n, int64_t stride))
{
    const ppq_axis_split s = ppq_split_at(&c->in[0]->shape, ppq_run_axis(c, fallback));
    if (ppq_shape_numel(&c->in[0]->shape) == 0)
        return PPQ_OK;
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t k = 0; k < s.inner; k++) {
            const int64_t at = o * s.size * s.inner + k;
            row(ppq_at(r, &c->out[0], at), ppq_at(r, c->in[0], at), s.size, s.inner);
        }
    return PPQ_OK;
}

// `y` holds softmax(x): y * (g - sum(y * g)), of the logarithm g - y * sum(g).
static void softmax_row_backward(const float *g, float *y, int64_t n, int64_t stride,
                                 bool logarithm)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double) g[i * stride] * (logarithm ? 1 : (double) y[i * stride]);
    for (int64_t i = 0; i < n; i++) {
        const double v = (double) y[i * stride], d = (double) g[i * stride];
        y[i * stride] = (float) (logarithm ? d - v * sum : v * (d - sum));
    }
}

ppq_status ppq_softmax_backward(ppq_backward_ctx *c, int64_t fallback, bool logarithm)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (idle)
        return PPQ_OK;
    const ppq_real *r = ppq_real_of(&k);
    if (!r)
        return PPQ_ERR_UNSUPPORTED;
    const ppq_axis_split s = ppq_split_at(&c->in[0]->shape, ppq_run_axis(&k, fallback));
    float *dx = ppq_grad_in(c, 0);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < s.inner; i++) {
            const int64_t at = o * s.size * s.inner + i;
            r->softmax(dx + at, ppq_f32(c->in[0]) + at, s.size, s.inner);
            softmax_row_backward(ppq_grad_out(c, 0) + at, dx + at, s.size, s.inner, logarithm);
        }
    return PPQ_OK;
}

void ppq_normalize_backward(const float *x, float *dx, int64_t n, double mean, double inv)
{
    double sum = 0, product = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double) dx[i];
        product += (double) dx[i] * ((double) x[i] - mean) * inv;
    }
    for (int64_t i = 0; i < n; i++) {
        const double normal = ((double) x[i] - mean) * inv;
        dx[i] = (float) (inv * ((double) dx[i] - (sum + normal * product) / (double) n));
    }
}
