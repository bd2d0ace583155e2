#include <inttypes.h>

#include "executor/ops/doubled.h"
#include "executor/ops/real.h"

// The points that an affine map makes of a regular grid over [-1, 1]^2 or [-1, 1]^3: what
// GridSample takes. theta is (N, d, d + 1), size the shape of an image (N, C, spatial).

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *theta = ppq_args_shape(a, 0);
    int64_t size[5], n, batch = PPQ_DIM_UNKNOWN;
    PPQ_TRY(ppq_args_ints(a, 1, size, 5, &n));
    *out = (ppq_shape){ .rank = -1 };
    bool fits = theta->rank < 0 || theta->rank == 3;
    if (n >= 0) {
        const int64_t d = n - 2;
        int64_t rows = d, columns = d + 1;
        fits &= n == 4 || n == 5;
        if (fits && theta->rank == 3)
            fits = ppq_dim_merge(theta->dim[0], size[0], &batch) &&
                   ppq_dim_merge(rows, theta->dim[1], &rows) &&
                   ppq_dim_merge(columns, theta->dim[2], &columns);
        for (int64_t i = 0; fits && i < n; i++)
            fits = size[i] >= 0;
        if (fits) {
            *out = (ppq_shape){ (int32_t) n, { size[0] } };
            for (int64_t i = 0; i < d; i++)
                out->dim[1 + i] = size[2 + i];
            out->dim[n - 1] = d;
        }
    }
    return fits
               ? PPQ_OK
               : ppq_args_fail(a, "theta must be (N, d, d + 1) and size (N, C, d sizes), d 2 or 3");
}

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 2, 1));
    return ppq_infer_plan(c, plan);
}

static double coordinate(int64_t i, int64_t n, bool corners)
{
    if (corners)
        return n > 1 ? -1 + 2 * (double) i / (double) (n - 1) : 0;
    return -1 + (2 * (double) i + 1) / (double) n;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_shape *s = &c->out[0].shape;
    const int d = s->rank - 2;
    const bool corners = ppq_op_attr_int(c->op, "align_corners", 0) != 0;
    double *y = ppq_f64(&c->out[0]);
    const int64_t points = ppq_dims_product(s, 1, s->rank - 1);
    for (int64_t i = 0; i < s->dim[0] * points; i++) {
        const double *theta = ppq_f64(c->in[0]) + i / points * d * (d + 1);
        double at[3]; // x first, as in theta; the last spatial dimension is x
        int64_t rest = i % points;
        for (int k = 0; k < d; k++) {
            const int64_t n = s->dim[d - k];
            at[k] = coordinate(rest % n, n, corners);
            rest /= n;
        }
        for (int r = 0; r < d; r++) {
            double v = theta[r * (d + 1) + d];
            for (int k = 0; k < d; k++)
                v += theta[r * (d + 1) + k] * at[k];
            y[i * d + r] = v;
        }
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    ppq_shape out;
    PPQ_TRY(ppq_run_plan(c, plan, &out));
    return ppq_run_doubled(c, run);
}

const ppq_op_def ppq_op_affine_grid = {
    .type = "AffineGrid",
    .domain = "",
    .opset_min = 20,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .soi_in = 0x2, // size
    .infer = infer,
    .forward = forward,
};
