#include "executor/ops/pool.h"

static ppq_status check_rank(ppq_infer_ctx *c, int least)
{
    if (c->in_shape[0].rank >= least)
        return PPQ_OK;
    return ppq_infer_fail(c, "the input has rank %d, expected %d to %d", c->in_shape[0].rank, least,
                          PPQ_MAX_RANK);
}

ppq_status ppq_pool_infer(ppq_infer_ctx *c)
{
    const ppq_shape *x = &c->in_shape[0];
    c->out_dtype[0] = c->in_dtype[0];
    if (x->rank < 0)
        return PPQ_OK;
    PPQ_TRY(check_rank(c, 3));
    ppq_window w;
    ppq_reason why;
    if (!ppq_window_init(&w, c->op, x->rank - 2, x->dim + 2, NULL, &why))
        return ppq_infer_fail(c, "%s", why.text);
    c->out_shape[0] = *x;
    for (int i = 0; i < w.n; i++)
        c->out_shape[0].dim[2 + i] = w.out[i];
    return PPQ_OK;
}

ppq_status ppq_global_pool_infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 1, 1));
    c->out_dtype[0] = c->in_dtype[0];
    if (c->in_shape[0].rank < 0)
        return PPQ_OK;
    PPQ_TRY(check_rank(c, 2));
    c->out_shape[0] = c->in_shape[0];
    for (int i = 2; i < c->in_shape[0].rank; i++)
        c->out_shape[0].dim[i] = 1;
    return PPQ_OK;
}

// The number of planes, and of elements in one.
static void global_size(const ppq_shape *x, int64_t *planes, int64_t *size)
{
    *planes = x->dim[0] * x->dim[1];
    *size = ppq_product(x->rank - 2, x->dim + 2);
}

ppq_status ppq_global_pool_run(ppq_kernel_ctx *c, ppq_global_pool_fn reduce)
{
    const ppq_real *r = ppq_real_of(c);
    if (!r)
        return PPQ_ERR_UNSUPPORTED;
    int64_t planes, size;
    global_size(&c->in[0]->shape, &planes, &size);
    for (int64_t i = 0; i < planes; i++)
        r->store(ppq_tensor_data(&c->out[0]), i,
                 reduce(r, ppq_at(r, c->in[0], i * size), size, c->op));
    return PPQ_OK;
}

ppq_status ppq_global_pool_backward(ppq_backward_ctx *c, ppq_global_pool_spread spread)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (idle)
        return PPQ_OK;
    int64_t planes, size;
    global_size(&c->in[0]->shape, &planes, &size);
    for (int64_t i = 0; i < planes; i++)
        spread(ppq_f32(c->in[0]) + i * size, ppq_grad_in(c, 0) + i * size, size,
               ppq_grad_out(c, 0)[i]);
    return PPQ_OK;
}

// Window positions of dimension `d` that do not lie behind the padding.
static int64_t padded_count(const ppq_window *w, int d, int64_t at)
{
    const int64_t left = w->in[d] + w->pad_hi[d] - (at * w->stride[d] - w->pad_lo[d]);
    const int64_t n = (left + w->dilation[d] - 1) / w->dilation[d];
    return PPQ_MAX(PPQ_MIN(n, w->kernel[d]), 0);
}

// One row of outputs of every plane.
static void pool_row(const ppq_window *w, ppq_pool_view *v, double padded_rows, const ppq_tensor *x,
                     ppq_tensor *y, int64_t row, ppq_pool_fn reduce, const void *user)
{
    const int d = w->n - 1;
    const int64_t planes = x->shape.dim[0] * x->shape.dim[1];
    const int64_t in_size = ppq_product(w->n, w->in), out_size = ppq_product(w->n, w->out);
    const size_t es = ppq_dtype_size(x->dtype);
    v->step = w->dilation[d];
    for (int64_t col = 0; col < w->out[d]; col++) {
        const int64_t start = col * w->stride[d] - w->pad_lo[d];
        int64_t lo, hi;
        ppq_span(start, v->step, w->kernel[d], w->in[d], &lo, &hi);
        v->first = start + lo * v->step;
        v->n_cols = hi - lo;
        v->n_padded = padded_rows * (double) padded_count(w, d, col);
        for (v->plane = 0; v->plane < planes; v->plane++)
            reduce(v, (const char *) ppq_tensor_data(x) + (size_t) (v->plane * in_size) * es,
                   ppq_tensor_data(y), v->plane * out_size + row + col, user);
    }
}

ppq_status ppq_pool_run(ppq_kernel_ctx *c, ppq_pool_fn reduce, const void *user)
{
    const ppq_tensor *x = c->in[0];
    ppq_window w;
    ppq_reason why;
    if (!ppq_window_init(&w, c->op, x->shape.rank - 2, x->shape.dim + 2, NULL, &why))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "%s", why.text);
    if (ppq_shape_numel(&c->out[0].shape) == 0)
        return PPQ_OK;
    ppq_tensor taps;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) ppq_window_max_taps(&w) * sizeof(ppq_tap), &taps));
    int64_t at[PPQ_MAX_SPATIAL] = { 0 }, row = 0;
    do {
        ppq_pool_view v = { .rows = ppq_tensor_data(&taps) };
        v.n_rows = ppq_window_taps(&w, at, ppq_tensor_data(&taps));
        double padded_rows = 1;
        for (int i = 0; i < w.n - 1; i++)
            padded_rows *= (double) padded_count(&w, i, at[i]);
        pool_row(&w, &v, padded_rows, x, &c->out[0], row, reduce, user);
        row += w.out[w.n - 1];
    } while (ppq_next(w.n - 1, w.out, at));
    ppq_tensor_unref(&taps);
    return PPQ_OK;
}

typedef struct spreading {
    ppq_pool_spread spread;
    const void *user;
    float *dx;
    int64_t size; // of a plane
} spreading;

static void spread_one(const ppq_pool_view *v, const void *x, void *y, int64_t i, const void *user)
{
    const spreading *s = user;
    s->spread(v, x, s->dx + v->plane * s->size, ((const float *) y)[i], s->user);
}

ppq_status ppq_pool_backward(ppq_backward_ctx *c, ppq_pool_spread spread, const void *user)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (idle || !c->grad_out[0])
        return PPQ_OK;
    const ppq_shape *x = &c->in[0]->shape;
    const spreading s = { spread, user, ppq_grad_in(c, 0), ppq_product(x->rank - 2, x->dim + 2) };
    // A walk over the windows as forward does it, in which the output is read.
    ppq_tensor g = *c->grad_out[0];
    k.out = &g;
    return ppq_pool_run(&k, spread_one, &s);
}
