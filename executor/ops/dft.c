#include <inttypes.h>
#include <string.h>

#include "executor/ops/doubled.h"
#include "executor/ops/fourier.h"
#include "executor/ops/norm.h"
#include "executor/ops/real.h"

// Discrete Fourier transform along an axis. The last dimension holds 1 (real) or 2 (real and
// imaginary) values. One-sided keeps the half that determines the rest: of the output forward, of
// the input when inverse, which then gives real values.

typedef struct dft {
    int axis;
    int64_t n; // length of the transform; negative: not known yet
    bool inverse, onesided;
} dft;

static ppq_status read_axis(const ppq_args *a, int rank, int *axis)
{
    int64_t v = ppq_op_attr_int(ppq_args_op(a), "axis", 1), n;
    *axis = -1;
    if (ppq_args_opset(a) >= 20) { // it became an input
        v = -2;
        PPQ_TRY(ppq_args_ints(a, 2, &v, 1, &n));
        if (n == 0)
            return ppq_args_fail(a, "the axis is empty");
        if (n < 0 && ppq_args_has(a, 2))
            return PPQ_OK;
    }
    if (rank < 0)
        return PPQ_OK;
    PPQ_TRY(ppq_args_axis(a, v, rank, axis));
    if (*axis == rank - 1)
        return ppq_args_fail(a, "the last axis cannot be transformed");
    return PPQ_OK;
}

static ppq_status plan(const ppq_args *a, dft *d, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    int64_t n;
    *d = (dft){ .axis = -1, .n = PPQ_DIM_UNKNOWN };
    d->inverse = ppq_op_attr_int(ppq_args_op(a), "inverse", 0) != 0;
    d->onesided = ppq_op_attr_int(ppq_args_op(a), "onesided", 0) != 0;
    PPQ_TRY(ppq_args_ints(a, 1, &d->n, 1, &n));
    PPQ_TRY(read_axis(a, x->rank, &d->axis));
    *out = *x;
    if (n == 0 || (n == 1 && (d->n < 1 || d->n > INT32_MAX)))
        return ppq_args_fail(a, "dft_length is %" PRId64 ", expected at least 1", n ? d->n : -1);
    if (x->rank < 0)
        return PPQ_OK;
    if (x->rank < 2 ||
        (x->dim[x->rank - 1] >= 0 && x->dim[x->rank - 1] != 1 && x->dim[x->rank - 1] != 2))
        return ppq_args_fail(a, "the last dimension must hold 1 or 2 values");
    out->dim[x->rank - 1] = d->inverse && d->onesided ? 1 : 2;
    if (d->axis < 0) {
        for (int i = 0; i < x->rank - 1; i++)
            out->dim[i] = PPQ_DIM_UNKNOWN;
        return PPQ_OK;
    }
    const int64_t have = x->dim[d->axis];
    if (!ppq_args_has(a, 1))
        d->n = have >= 1 && d->inverse && d->onesided ? PPQ_MAX(2 * (have - 1), 1) : have;
    out->dim[d->axis] = d->n < 0                     ? PPQ_DIM_UNKNOWN
                        : d->onesided && !d->inverse ? d->n / 2 + 1
                                                     : d->n;
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    dft d;
    ppq_shape out;
    PPQ_TRY(ppq_infer_floats(c, 1, 1));
    PPQ_TRY(plan(&a, &d, &out));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

// One line of the input: cut or padded with zeros, and completed when it is one half.
static void load_line(const dft *d, const double *x, int64_t have, int64_t stride, int parts,
                      ppq_complex *line)
{
    memset(line, 0, (size_t) d->n * sizeof(*line));
    const bool half = d->inverse && d->onesided;
    const int64_t n = PPQ_MIN(have, half ? d->n / 2 + 1 : d->n);
    for (int64_t i = 0; i < n; i++)
        line[i] = (ppq_complex){ x[i * stride * parts], parts > 1 ? x[i * stride * parts + 1] : 0 };
    for (int64_t i = d->n / 2 + 1; half && i < d->n; i++)
        line[i] = (ppq_complex){ line[d->n - i].re, -line[d->n - i].im };
}

static void transform_lines(ppq_kernel_ctx *c, const dft *d, ppq_complex *buffer)
{
    const ppq_shape *xs = &c->in[0]->shape, *ys = &c->out[0].shape;
    const int x_parts = (int) xs->dim[xs->rank - 1], y_parts = (int) ys->dim[ys->rank - 1];
    const int64_t outer = ppq_dims_product(ys, 0, d->axis);
    const int64_t inner = ppq_dims_product(ys, d->axis + 1, ys->rank - 1);
    const int64_t have = xs->dim[d->axis], keep = ys->dim[d->axis];
    ppq_complex *line = buffer, *result = line + d->n, *temp = result + d->n, *root = temp + d->n;
    const double scale = d->inverse ? 1 / (double) d->n : 1;
    ppq_fourier_roots(root, d->n, d->inverse);
    for (int64_t i = 0; i < outer * inner; i++) {
        const int64_t o = i / inner, k = i % inner;
        load_line(d, ppq_f64(c->in[0]) + (o * have * inner + k) * x_parts, have, inner, x_parts,
                  line);
        ppq_fourier(line, result, d->n, root, temp);
        double *y = ppq_f64(&c->out[0]) + (o * keep * inner + k) * y_parts;
        for (int64_t j = 0; j < keep; j++) {
            y[j * inner * y_parts] = result[j].re * scale;
            if (y_parts > 1)
                y[j * inner * y_parts + 1] = result[j].im * scale;
        }
    }
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    dft d;
    ppq_shape out;
    ppq_tensor memory;
    PPQ_TRY(plan(&a, &d, &out));
    if (ppq_shape_numel(&out) == 0)
        return PPQ_OK;
    PPQ_TRY(ppq_kernel_temp(c, 4 * (size_t) d.n * sizeof(ppq_complex), &memory));
    transform_lines(c, &d, ppq_tensor_data(&memory));
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_doubled(c, run);
}

const ppq_op_def ppq_op_dft = {
    .type = "DFT",
    .domain = "",
    .opset_min = 17,
    .in_min = 1,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .soi_in = 0x6, // length, axis
    .infer = infer,
    .forward = forward,
};
