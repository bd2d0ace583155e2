#include <inttypes.h>
#include <math.h>

#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/convert.h"
#include "executor/ops/move.h"
#include "executor/ops/real.h"
#include "executor/ops/resample.h"

// X resampled to `sizes` or by `scales`, along `axes`.

enum { ROI = 1, SCALES = 2, SIZES = 3 };

// The values an axis is resized by. Without sizes, `size` is unknown; scale 0: not known yet.
typedef struct target {
    int64_t size;
    double scale, roi_start, roi_end;
    bool listed;
} target;

static ppq_status read_modes(const ppq_args *a, ppq_resample *r)
{
    static const char *const modes[] = { "nearest", "linear", "cubic", NULL };
    static const char *const coords[] = { "half_pixel",
                                          "half_pixel_symmetric",
                                          "pytorch_half_pixel",
                                          "align_corners",
                                          "asymmetric",
                                          "tf_crop_and_resize",
                                          "tf_half_pixel_for_nn", // opset 11 only
                                          NULL };
    static const char *const rounds[] = { "round_prefer_floor", "round_prefer_ceil", "floor",
                                          "ceil", NULL };
    const ppq_op *op = ppq_args_op(a);
    int mode, coord, round_mode;
    PPQ_TRY(ppq_args_choice(a, "mode", modes, &mode));
    PPQ_TRY(ppq_args_choice(a, "coordinate_transformation_mode", coords, &coord));
    PPQ_TRY(ppq_args_choice(a, "nearest_mode", rounds, &round_mode));
    *r = (ppq_resample){
        .mode = (ppq_resample_mode) mode,
        .coord = (ppq_resample_coord) coord,
        .round = (ppq_resample_round) round_mode,
        .cubic_a = (double) ppq_op_attr_float(op, "cubic_coeff_a", -0.75f),
        .outside_value = (double) ppq_op_attr_float(op, "extrapolation_value", 0),
        .antialias = ppq_op_attr_int(op, "antialias", 0) != 0,
        .exclude_outside = ppq_op_attr_int(op, "exclude_outside", 0) != 0,
    };
    return PPQ_OK;
}

// Input `slot` as at most `cap` floats; *n as for ppq_args_ints.
static ppq_status read_floats(const ppq_args *a, int slot, double *out, int64_t cap, int64_t *n)
{
    const ppq_tensor *t = ppq_args_value(a, slot);
    *n = -1;
    if (!t)
        return PPQ_OK;
    const int64_t count = ppq_shape_numel(&t->shape);
    if (count > cap || !ppq_convert_knows(t->dtype))
        return ppq_args_fail(
            a, "input %d has %" PRId64 " values of %s, expected at most %" PRId64 " numbers", slot,
            count, ppq_dtype_name(t->dtype), cap);
    ppq_load_f64(t, 0, count, out);
    *n = count;
    return PPQ_OK;
}

// The axes that roi, scales and sizes are about.
static ppq_status read_axes(const ppq_args *a, int rank, int *axes, int *n)
{
    const int64_t *v;
    const size_t count = ppq_op_attr_ints(ppq_args_op(a), "axes", &v);
    uint32_t mask;
    *n = rank;
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    if (!count)
        return PPQ_OK;
    PPQ_TRY(ppq_args_axes(a, v, (int64_t) count, rank, &mask));
    *n = (int) count; // no more than rank, as none repeats
    for (int i = 0; i < *n; i++)
        PPQ_TRY(ppq_args_axis(a, v[i], rank, &axes[i]));
    return PPQ_OK;
}

static ppq_status read_scales(const ppq_args *a, const int *axes, int n_axes, target *t,
                              bool *found)
{
    double v[PPQ_MAX_RANK];
    int64_t n;
    PPQ_TRY(read_floats(a, SCALES, v, PPQ_MAX_RANK, &n));
    *found = n > 0;
    if (n > 0 && n != n_axes)
        return ppq_args_fail(a, "scales has %" PRId64 " values for %d axes", n, n_axes);
    for (int i = 0; i < n; i++) {
        if (!(v[i] > 0) || isinf(v[i]))
            return ppq_args_fail(a, "scales[%d] is %g, it must be positive", i, v[i]);
        t[axes[i]].scale = v[i];
    }
    return PPQ_OK;
}

// keep_aspect_ratio_policy: one scale for all axes, from the sizes that are wished for.
static void keep_aspect(const ppq_shape *x, const int *axes, int n_axes, bool larger, target *t)
{
    double scale = 0;
    for (int i = 0; i < n_axes; i++) {
        const target *k = &t[axes[i]];
        if (k->scale == 0) // some dimension is not known yet
            return;
        if (i == 0 || (larger ? k->scale > scale : k->scale < scale))
            scale = k->scale;
    }
    for (int i = 0; i < n_axes; i++) {
        t[axes[i]].scale = scale;
        t[axes[i]].size = (int64_t) (scale * (double) x->dim[axes[i]] + 0.5);
    }
}

static ppq_status read_sizes(const ppq_args *a, const ppq_shape *x, const int *axes, int n_axes,
                             target *t, bool *found)
{
    static const char *const policies[] = { "stretch", "not_larger", "not_smaller", NULL };
    int64_t v[PPQ_MAX_RANK], n;
    int policy;
    PPQ_TRY(ppq_args_choice(a, "keep_aspect_ratio_policy", policies, &policy));
    PPQ_TRY(ppq_args_ints(a, SIZES, v, PPQ_MAX_RANK, &n));
    *found = n > 0;
    if (n > 0 && n != n_axes)
        return ppq_args_fail(a, "sizes has %" PRId64 " values for %d axes", n, n_axes);
    for (int i = 0; i < n; i++) {
        target *k = &t[axes[i]];
        const int64_t dim = x->dim[axes[i]];
        if (v[i] < 0 || (dim == 0 && v[i] > 0))
            return ppq_args_fail(a, "sizes[%d] is %" PRId64 " for a dimension of %" PRId64, i, v[i],
                                 dim);
        k->size = policy == 0 ? v[i] : PPQ_DIM_UNKNOWN;
        k->scale = dim > 0 ? (double) v[i] / (double) dim : 0;
    }
    if (n > 0 && policy != 0)
        keep_aspect(x, axes, n_axes, policy == 2, t);
    return PPQ_OK;
}

static ppq_status read_roi(const ppq_args *a, const int *axes, int n_axes, target *t)
{
    double v[2 * PPQ_MAX_RANK];
    int64_t n;
    PPQ_TRY(read_floats(a, ROI, v, 2 * PPQ_MAX_RANK, &n));
    if (n >= 0 && n != 2 * n_axes)
        return ppq_args_fail(a, "roi has %" PRId64 " values, expected %d", n, 2 * n_axes);
    for (int i = 0; i < n_axes; i++) {
        t[axes[i]].roi_start = n > 0 ? v[i] : (double) NAN;
        t[axes[i]].roi_end = n > 0 ? v[n_axes + i] : (double) NAN;
    }
    return PPQ_OK;
}

static ppq_status size_of(const ppq_args *a, int axis, const target *t, bool crop, int64_t dim,
                          int64_t *out)
{
    *out = PPQ_DIM_UNKNOWN;
    if (!t->listed || t->size >= 0) {
        *out = t->listed ? t->size : dim;
        return PPQ_OK;
    }
    const double share = crop ? t->roi_end - t->roi_start : 1;
    if (t->scale == 1 && share == 1)
        *out = dim;
    if (dim < 0 || t->scale == 0 || isnan(share))
        return PPQ_OK;
    // In float32, as every implementation does it: 0.7f * 10 is 7.
    const float size = floorf((float) dim * (float) share * (float) t->scale);
    if (!(size >= 0 && size < 1e15f))
        return ppq_args_fail(a, "axis %d of %" PRId64 " elements cannot be resized by %g", axis,
                             dim, t->scale);
    *out = (int64_t) size;
    return PPQ_OK;
}

// targets[rank of out]
static ppq_status plan(const ppq_args *a, ppq_resample *r, target *targets, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    int axes[PPQ_MAX_RANK], n_axes;
    bool by_size = false, by_scale = false;
    PPQ_TRY(read_modes(a, r));
    *out = ppq_shape_unknown(x->rank);
    if (x->rank < 0)
        return PPQ_OK;
    for (int i = 0; i < x->rank; i++)
        targets[i] = (target){ .size = PPQ_DIM_UNKNOWN, .roi_end = 1 };
    PPQ_TRY(read_axes(a, x->rank, axes, &n_axes));
    for (int i = 0; i < n_axes; i++)
        targets[axes[i]].listed = true;
    const bool crop = r->coord == PPQ_COORD_TF_CROP_AND_RESIZE;
    PPQ_TRY(read_sizes(a, x, axes, n_axes, targets, &by_size));
    // Sizes that are given but not known yet decide; scales are then empty.
    const ppq_shape *sizes = ppq_args_shape(a, SIZES);
    if (!by_size && (ppq_args_value(a, SIZES) || !ppq_args_has(a, SIZES) ||
                     (sizes->rank == 1 && sizes->dim[0] == 0)))
        PPQ_TRY(read_scales(a, axes, n_axes, targets, &by_scale));
    if (crop)
        PPQ_TRY(read_roi(a, axes, n_axes, targets));
    if (a->run && n_axes > 0 && !by_size && !by_scale)
        return ppq_args_fail(a, "neither scales nor sizes are given");
    if (a->run && crop && n_axes > 0 && isnan(targets[axes[0]].roi_start))
        return ppq_args_fail(a, "roi is missing");
    for (int i = 0; i < x->rank; i++)
        PPQ_TRY(size_of(a, i, &targets[i], crop, x->dim[i], &out->dim[i]));
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    target targets[PPQ_MAX_RANK];
    ppq_resample r;
    ppq_shape out;
    PPQ_TRY(plan(&a, &r, targets, &out));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

// The axes that are resampled at all.
static ppq_status plan_axes(ppq_kernel_ctx *c, ppq_resample *r, ppq_resample_axis *axes,
                            int *n_axes, ppq_shape *out)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_shape *x = &c->in[0]->shape;
    target targets[PPQ_MAX_RANK];
    *n_axes = 0;
    PPQ_TRY(plan(&a, r, targets, out));
    for (int i = 0; i < out->rank; i++) {
        const target *t = &targets[i];
        const bool whole =
            r->coord != PPQ_COORD_TF_CROP_AND_RESIZE || (t->roi_start == 0 && t->roi_end == 1);
        if (!t->listed || (whole && t->scale == 1 && out->dim[i] == x->dim[i]))
            continue;
        axes[(*n_axes)++] =
            (ppq_resample_axis){ i, x->dim[i], out->dim[i], t->scale, t->roi_start, t->roi_end };
    }
    return PPQ_OK;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    ppq_resample_axis axes[PPQ_MAX_RANK];
    ppq_resample r;
    ppq_shape out;
    int n_axes;
    PPQ_TRY(plan_axes(c, &r, axes, &n_axes, &out));
    PPQ_TRY(ppq_run_out(c, 0, c->in[0]->dtype, &out));
    return ppq_resample_run(c, &r, axes, n_axes);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    target targets[PPQ_MAX_RANK];
    ppq_resample r;
    ppq_shape out;
    PPQ_TRY(plan(&a, &r, targets, &out));
    if (!ppq_shape_known(&out))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the output's size is not determined");
    if (ppq_op_attr(c->op, "mode") && !ppq_op_attr_is(c->op, "mode", "nearest"))
        return ppq_run_widened(c, run);
    return ppq_run_moved(c, 0, run);
}

static ppq_status backward(ppq_backward_ctx *c)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    for (int i = ROI; i < c->op->n_in; i++)
        if (c->grad_in[i].buf)
            return ppq_kernel_fail(&k, PPQ_ERR_UNSUPPORTED,
                                   "the gradient of input %d is not calculated", i);
    ppq_resample_axis axes[PPQ_MAX_RANK];
    ppq_resample r;
    ppq_shape out;
    int n_axes;
    if (idle)
        return PPQ_OK;
    PPQ_TRY(plan_axes(&k, &r, axes, &n_axes, &out));
    return ppq_resample_backward(c, &k, &r, axes, n_axes);
}

const ppq_op_def ppq_op_resize = {
    .type = "Resize",
    .domain = "",
    .opset_min = 10,
    .in_min = 1,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_RESAMPLES,
    .soi_in = 0xe, // roi, scales, sizes
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
