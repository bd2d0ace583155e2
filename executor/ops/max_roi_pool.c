#include <inttypes.h>
#include <math.h>

#include "executor/ops/doubled.h"
#include "executor/ops/real.h"

// The largest value of every bin of regions (batch index, x0, y0, x1, y1) of a feature map.

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0), *rois = ppq_args_shape(a, 1);
    int64_t bins[2], five;
    PPQ_TRY(ppq_args_attr_ints(a, "pooled_shape", 2, 1, bins));
    if ((x->rank >= 0 && x->rank != 4) ||
        (rois->rank >= 0 && (rois->rank != 2 || !ppq_dim_merge(rois->dim[1], 5, &five))))
        return ppq_args_fail(a, "the inputs must be (N, C, H, W) and (rois, 5)");
    if (bins[0] < 1 || bins[1] < 1)
        return ppq_args_fail(a, "pooled_shape is %" PRId64 " x %" PRId64, bins[0], bins[1]);
    *out = (ppq_shape){ 4,
                        { rois->rank < 0 ? PPQ_DIM_UNKNOWN : rois->dim[0],
                          x->rank < 0 ? PPQ_DIM_UNKNOWN : x->dim[1], bins[0], bins[1] } };
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 2, 2));
    return ppq_infer_plan(c, plan);
}

// The pixels [*from, *to) of bin `i` of `n` in the region [start, end] of a line of `limit`.
static void bin_span(double start, double end, int64_t i, int64_t n, int64_t limit, int64_t *from,
                     int64_t *to)
{
    const double size = fmax(end - start + 1, 1) / (double) n, most = (double) limit;
    *from = (int64_t) fmin(fmax(floor((double) i * size) + start, 0), most);
    *to = (int64_t) fmin(fmax(ceil((double) (i + 1) * size) + start, 0), most);
}

static double largest(const double *plane, int64_t width, const int64_t *y, const int64_t *x)
{
    double top = -(double) INFINITY;
    for (int64_t i = y[0]; i < y[1]; i++)
        for (int64_t j = x[0]; j < x[1]; j++)
            top = fmax(top, plane[i * width + j]);
    return isinf(top) && top < 0 ? 0 : top;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_shape *x = &c->in[0]->shape, *y = &c->out[0].shape;
    const double scale = (double) ppq_op_attr_float(c->op, "spatial_scale", 1);
    const int64_t h = x->dim[2], w = x->dim[3], bins = y->dim[2] * y->dim[3];
    double *dst = ppq_f64(&c->out[0]);
    for (int64_t r = 0; r < y->dim[0]; r++) {
        const double *roi = ppq_f64(c->in[1]) + r * 5;
        double edge[4];
        if (!(roi[0] >= 0 && roi[0] < (double) x->dim[0]))
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "batch index %g is outside [0, %" PRId64 ")",
                                   roi[0], x->dim[0]);
        for (int i = 0; i < 4; i++)
            edge[i] = isfinite(roi[1 + i]) ? round(roi[1 + i] * scale) : 0;
        for (int64_t i = 0; i < y->dim[1] * bins; i++) {
            const int64_t channel = i / bins, k = i % bins;
            int64_t rows[2], columns[2];
            bin_span(edge[1], edge[3], k / y->dim[3], y->dim[2], h, &rows[0], &rows[1]);
            bin_span(edge[0], edge[2], k % y->dim[3], y->dim[3], w, &columns[0], &columns[1]);
            const double *plane =
                ppq_f64(c->in[0]) + ((int64_t) roi[0] * x->dim[1] + channel) * h * w;
            *dst++ = largest(plane, w, rows, columns);
        }
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_doubled(c, run);
}

const ppq_op_def ppq_op_max_roi_pool = {
    .type = "MaxRoiPool",
    .domain = "",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x2, // regions
    .infer = infer,
    .forward = forward,
};
