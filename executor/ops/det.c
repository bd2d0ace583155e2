#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "executor/ops/doubled.h"
#include "executor/ops/real.h"

// Determinants of square matrices: the last two dimensions go.

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_shape *x = &c->in_shape[0];
    ppq_shape out = *x;
    int64_t n;
    PPQ_TRY(ppq_infer_floats(c, 1, 1));
    if (x->rank >= 0) {
        if (x->rank < 2 || !ppq_dim_merge(x->dim[x->rank - 1], x->dim[x->rank - 2], &n))
            return ppq_infer_fail(c, "the input holds no square matrices");
        out.rank = x->rank - 2;
    }
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

static void swap_rows(double *a, double *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

// By elimination, with the largest element of a column as pivot; overwrites m.
static double determinant(double *m, int64_t n)
{
    double det = 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(m[i * n + k]) > fabs(m[pivot * n + k]))
                pivot = i;
        if (pivot != k) {
            swap_rows(m + k * n, m + pivot * n, n);
            det = -det;
        }
        const double d = m[k * n + k];
        det *= d;
        if (d == 0)
            return 0;
        for (int64_t i = k + 1; i < n; i++) {
            const double f = m[i * n + k] / d;
            for (int64_t j = k; j < n; j++)
                m[i * n + j] -= f * m[k * n + j];
        }
    }
    return det;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_tensor *x = c->in[0];
    const int64_t n = x->shape.dim[x->shape.rank - 1], count = ppq_shape_numel(&c->out[0].shape);
    ppq_tensor memory;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) (n * n) * sizeof(double), &memory));
    double *m = ppq_tensor_data(&memory);
    for (int64_t i = 0; i < count; i++) {
        if (n)
            memcpy(m, ppq_f64(x) + i * n * n, (size_t) (n * n) * sizeof(*m));
        ppq_f64(&c->out[0])[i] = determinant(m, n);
    }
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_doubled(c, run);
}

const ppq_op_def ppq_op_det = {
    .type = "Det",
    .domain = "",
    .opset_min = 11,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
