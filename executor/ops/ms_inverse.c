#include <math.h>

#include "executor/ops/doubled.h"
#include "executor/ops/real.h"
#include "executor/ops/stored.h"

// Inverse of each matrix in the last two dimensions

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_shape *s = &c->in_shape[0];
    PPQ_TRY(ppq_infer_floats(c, 1, 1));
    if (s->rank >= 0 &&
        (s->rank < 2 || !ppq_dim_merge(s->dim[s->rank - 1], s->dim[s->rank - 2], &(int64_t){ 0 })))
        return ppq_infer_fail(c, "the input holds no square matrices");
    return ppq_infer_out(c, 0, c->in_dtype[0], s);
}

static void swap_rows(double *m, int64_t n, int64_t a, int64_t b)
{
    for (int64_t i = 0; i < n; i++) {
        const double t = m[a * n + i];
        m[a * n + i] = m[b * n + i];
        m[b * n + i] = t;
    }
}

// row[to] -= factor * row[from]
static void subtract_row(double *m, int64_t n, int64_t to, int64_t from, double factor)
{
    for (int64_t i = 0; i < n; i++)
        m[to * n + i] -= factor * m[from * n + i];
}

// Gauss and Jordan with the largest pivot of each column: a becomes the identity, y the inverse.
static bool invert(double *a, double *y, int64_t n)
{
    for (int64_t i = 0; i < n * n; i++)
        y[i] = i / n == i % n;
    for (int64_t k = 0; k < n; k++) {
        int64_t best = k;
        for (int64_t r = k + 1; r < n; r++)
            if (fabs(a[r * n + k]) > fabs(a[best * n + k]))
                best = r;
        if (!(fabs(a[best * n + k]) > 0))
            return false;
        swap_rows(a, n, k, best);
        swap_rows(y, n, k, best);
        const double pivot = 1 / a[k * n + k];
        for (int64_t i = 0; i < n; i++) {
            a[k * n + i] *= pivot;
            y[k * n + i] *= pivot;
        }
        for (int64_t r = 0; r < n; r++) {
            const double factor = a[r * n + k];
            if (r == k || factor == 0)
                continue;
            subtract_row(a, n, r, k, factor);
            subtract_row(y, n, r, k, factor);
        }
    }
    return true;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_tensor *x = c->in[0];
    const int64_t n = x->shape.dim[x->shape.rank - 1], total = ppq_shape_numel(&x->shape);
    double *a = ppq_new_n(c->scratch, double, (size_t) (total ? n * n : 0) + 1);
    for (int64_t at = 0; at < total; at += n * n) {
        for (int64_t i = 0; i < n * n; i++)
            a[i] = ppq_f64(x)[at + i];
        if (!invert(a, ppq_f64(&c->out[0]) + at, n))
            return ppq_kernel_fail(c, PPQ_ERR_NUMERIC, "matrix %lld has no inverse",
                                   (long long) (at / (n * n)));
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_doubled(c, run);
}

const ppq_op_def ppq_op_ms_inverse = MICROSOFT_DEF("Inverse", 1, 1);
