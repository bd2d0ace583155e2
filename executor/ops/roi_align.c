#include <inttypes.h>
#include <math.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"
#include "executor/ops/real.h"

// Every region of interest (x0, y0, x1, y1) of a feature map cut into output_height x
// output_width bins; a bin is the average (or the largest term) of bilinear samples in it.

enum { MAX_SAMPLES = 1 << 20 }; // of one bin

typedef struct roi_attrs {
    int64_t out_h, out_w, sampling;
    double scale;
    bool max, half_pixel;
} roi_attrs;

// One bilinear sample: four elements of a plane.
typedef struct sample {
    int64_t at[4];
    double weight[4];
} sample;

static ppq_status read_attrs(const ppq_args *a, roi_attrs *r)
{
    static const char *const modes[] = { "avg", "max", NULL };
    static const char *const coords[] = { "half_pixel", "output_half_pixel", NULL };
    const ppq_op *op = ppq_args_op(a);
    int mode, coord;
    PPQ_TRY(ppq_args_choice(a, "mode", modes, &mode));
    PPQ_TRY(ppq_args_choice(a, "coordinate_transformation_mode", coords, &coord));
    // Before opset 16 there was no choice, and no half pixel.
    const bool half = coord == 0 && ppq_args_opset(a) >= 16;
    *r = (roi_attrs){ ppq_op_attr_int(op, "output_height", 1),
                      ppq_op_attr_int(op, "output_width", 1),
                      ppq_op_attr_int(op, "sampling_ratio", 0),
                      (double) ppq_op_attr_float(op, "spatial_scale", 1),
                      mode == 1,
                      half };
    if (r->out_h < 1 || r->out_w < 1 || r->sampling < 0 || r->sampling > 1024)
        return ppq_args_fail(a,
                             "output of %" PRId64 " x %" PRId64 " with a sampling_ratio of "
                             "%" PRId64 " is not possible",
                             r->out_h, r->out_w, r->sampling);
    return PPQ_OK;
}

static ppq_status plan(const ppq_args *a, roi_attrs *r, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0), *rois = ppq_args_shape(a, 1);
    const ppq_shape *batch = ppq_args_shape(a, 2);
    int64_t n = PPQ_DIM_UNKNOWN, d;
    PPQ_TRY(read_attrs(a, r));
    bool fits = (x->rank < 0 || x->rank == 4) && (batch->rank < 0 || batch->rank == 1) &&
                (rois->rank < 0 || (rois->rank == 2 && ppq_dim_merge(rois->dim[1], 4, &d)));
    if (fits && rois->rank == 2)
        n = rois->dim[0];
    if (fits && batch->rank == 1)
        fits = ppq_dim_merge(n, batch->dim[0], &n);
    if (!fits)
        return ppq_args_fail(a, "the inputs must be (N, C, H, W), (rois, 4) and (rois)");
    *out = (ppq_shape){ 4, { n, x->rank < 0 ? PPQ_DIM_UNKNOWN : x->dim[1], r->out_h, r->out_w } };
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    roi_attrs r;
    ppq_shape out;
    PPQ_TRY(plan(&a, &r, &out));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

// Up to one pixel outside counts as the edge, anything further as 0.
static sample sample_at(double y, double x, int64_t h, int64_t w)
{
    sample s = { { 0 }, { 0 } };
    if (!(y >= -1 && y <= (double) h && x >= -1 && x <= (double) w))
        return s;
    y = fmin(fmax(y, 0), (double) (h - 1));
    x = fmin(fmax(x, 0), (double) (w - 1));
    const int64_t y0 = (int64_t) y, x0 = (int64_t) x;
    const int64_t y1 = PPQ_MIN(y0 + 1, h - 1), x1 = PPQ_MIN(x0 + 1, w - 1);
    const double ly = y - (double) y0, lx = x - (double) x0;
    return (sample){ { y0 * w + x0, y0 * w + x1, y1 * w + x0, y1 * w + x1 },
                     { (1 - ly) * (1 - lx), (1 - ly) * lx, ly * (1 - lx), ly * lx } };
}

// A bin's value in one plane. The maximum is over the weighted terms, not over the samples: so
// the operator is defined by its first implementation.
static double pool(const ppq_tensor *x, int64_t plane, const sample *s, int64_t n, bool max)
{
    double sum = 0, top = n ? -(double) INFINITY : 0;
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < 4; k++) {
            const int64_t at = plane + s[i].at[k];
            const double v = x->dtype == PPQ_DT_F32 ? (double) ppq_f32(x)[at]
                                                    : ((const double *) ppq_tensor_data(x))[at];
            sum += s[i].weight[k] * v;
            top = fmax(top, s[i].weight[k] * v);
        }
    return max ? top : n ? sum / (double) n : 0;
}

typedef struct region {
    double y, x, bin_h, bin_w; // start and size of the bins
    int64_t grid_h, grid_w;    // samples of a bin
} region;

static ppq_status find_region(ppq_kernel_ctx *c, const roi_attrs *r, int64_t i, region *out)
{
    double v[4];
    ppq_load_f64(c->in[1], i * 4, 4, v);
    for (int k = 0; k < 4; k++)
        v[k] = v[k] * r->scale - (r->half_pixel ? 0.5 : 0);
    double w = v[2] - v[0], h = v[3] - v[1];
    if (!r->half_pixel) { // a region that is too small is one pixel
        w = fmax(w, 1);
        h = fmax(h, 1);
    }
    *out = (region){
        .y = v[1], .x = v[0], .bin_h = h / (double) r->out_h, .bin_w = w / (double) r->out_w
    };
    const double gh = r->sampling ? (double) r->sampling : fmax(0, ceil(out->bin_h));
    const double gw = r->sampling ? (double) r->sampling : fmax(0, ceil(out->bin_w));
    if (!(gh * gw <= MAX_SAMPLES))
        return ppq_kernel_fail(c, PPQ_ERR_DATA, "region %" PRId64 " of %g x %g is too large", i, h,
                               w);
    out->grid_h = (int64_t) gh;
    out->grid_w = (int64_t) gw;
    return PPQ_OK;
}

static ppq_status align(ppq_kernel_ctx *c, const roi_attrs *r, int64_t i, int64_t batch)
{
    const ppq_tensor *x = c->in[0];
    const int64_t channels = x->shape.dim[1], h = x->shape.dim[2], w = x->shape.dim[3];
    region g;
    ppq_tensor memory;
    PPQ_TRY(find_region(c, r, i, &g));
    const int64_t n = g.grid_h * g.grid_w;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) n * sizeof(sample), &memory));
    sample *s = ppq_tensor_data(&memory);
    for (int64_t bin = 0; bin < r->out_h * r->out_w; bin++) {
        const double y = g.y + (double) (bin / r->out_w) * g.bin_h;
        const double left = g.x + (double) (bin % r->out_w) * g.bin_w;
        for (int64_t k = 0; k < n; k++)
            s[k] = sample_at(y + ((double) (k / g.grid_w) + 0.5) * g.bin_h / (double) g.grid_h,
                             left + ((double) (k % g.grid_w) + 0.5) * g.bin_w / (double) g.grid_w,
                             h, w);
        for (int64_t ch = 0; ch < channels; ch++) {
            const double v = pool(x, (batch * channels + ch) * h * w, s, n, r->max);
            ppq_store_f64(&c->out[0], (i * channels + ch) * r->out_h * r->out_w + bin, 1, &v,
                          PPQ_CONVERT_DEFAULT);
        }
    }
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    roi_attrs r;
    ppq_shape out;
    ppq_tensor batch;
    PPQ_TRY(plan(&a, &r, &out));
    PPQ_TRY(ppq_run_out(c, 0, c->in[0]->dtype, &out));
    if ((c->in[0]->dtype != PPQ_DT_F32 && c->in[0]->dtype != PPQ_DT_F64) ||
        c->in[1]->dtype != c->in[0]->dtype)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "X of %s and rois of %s are not supported",
                               ppq_dtype_name(c->in[0]->dtype), ppq_dtype_name(c->in[1]->dtype));
    if (ppq_shape_numel(&out) == 0)
        return PPQ_OK;
    if (ppq_shape_numel(&c->in[0]->shape) == 0)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "X has no elements");
    PPQ_TRY(ppq_run_indices(c, 2, c->in[0]->shape.dim[0], &batch));
    const int64_t *at = ppq_tensor_data(&batch);
    ppq_status st = PPQ_OK;
    for (int64_t i = 0; i < out.dim[0] && st == PPQ_OK; i++)
        st = align(c, &r, i, at[i]);
    ppq_tensor_unref(&batch);
    return st;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_roi_align = {
    .type = "RoiAlign",
    .domain = "",
    .opset_min = 10,
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x2, // rois
    .soi_in = 0x4,  // batch_indices
    .infer = infer,
    .forward = forward,
};
