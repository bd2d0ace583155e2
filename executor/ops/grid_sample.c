#include <math.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"
#include "executor/ops/real.h"

// The input (N, C, spatial...) read at the positions in grid (N, output..., n_spatial), where
// -1 and 1 are the ends of each spatial dimension and the last one comes first.

enum { MAX_SPATIAL = PPQ_MAX_RANK - 2, MAX_AXIS_TAPS = 4 };
enum { LINEAR, NEAREST, CUBIC };
enum { ZEROS, BORDER, REFLECTION };

typedef struct sampler {
    int mode, padding;
    bool align;
    int n_spatial;
    int64_t dim[MAX_SPATIAL], stride[MAX_SPATIAL];
} sampler;

// The elements one position is made of.
typedef struct taps {
    int n;
    int64_t *at;
    double *weight;
} taps;

static ppq_status plan(const ppq_args *a, sampler *s, ppq_shape *out)
{
    static const char *const modes[] = {
        "linear", "nearest", "cubic", "bilinear", "bicubic", NULL
    };
    static const char *const paddings[] = { "zeros", "border", "reflection", NULL };
    const ppq_shape *x = ppq_args_shape(a, 0), *grid = ppq_args_shape(a, 1);
    PPQ_TRY(ppq_args_choice(a, "mode", modes, &s->mode));
    PPQ_TRY(ppq_args_choice(a, "padding_mode", paddings, &s->padding));
    s->mode = s->mode == 3 ? LINEAR : s->mode == 4 ? CUBIC : s->mode;
    s->align = ppq_op_attr_int(ppq_args_op(a), "align_corners", 0) != 0;
    *out = ppq_shape_unknown(x->rank >= 0 ? x->rank : grid->rank);
    int64_t d;
    const bool fits = (x->rank < 0 || x->rank >= 3) && (grid->rank < 0 || grid->rank >= 3) &&
                      (x->rank < 0 || grid->rank < 0 ||
                       (x->rank == grid->rank && ppq_dim_merge(x->dim[0], grid->dim[0], &d) &&
                        ppq_dim_merge(grid->dim[grid->rank - 1], x->rank - 2, &d)));
    if (!fits) {
        char b1[192], b2[192];
        return ppq_args_fail(a, "a grid of shape %s does not fit an input of shape %s",
                             ppq_shape_str(grid, b1, sizeof(b1)), ppq_shape_str(x, b2, sizeof(b2)));
    }
    if (x->rank < 0 || grid->rank < 0)
        return PPQ_OK;
    out->dim[0] = x->dim[0];
    out->dim[1] = x->dim[1];
    s->n_spatial = x->rank - 2;
    for (int i = 0; i < s->n_spatial; i++) {
        out->dim[2 + i] = grid->dim[1 + i];
        s->dim[i] = x->dim[2 + i];
        s->stride[i] = ppq_dims_product(x, 3 + i, x->rank);
    }
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    sampler s;
    ppq_shape out;
    PPQ_TRY(plan(&a, &s, &out));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

// Mirrors v at the ends of [lo, hi] until it is inside.
static double reflect(double v, double lo, double hi)
{
    const double range = hi - lo;
    if (range <= 0)
        return lo;
    const double r = fmod(fabs(v - lo), 2 * range);
    return lo + (r > range ? 2 * range - r : r);
}

static double into_range(const sampler *s, double v, int64_t dim)
{
    const double last = (double) (dim - 1);
    if (s->padding == ZEROS)
        return v;
    if (s->padding == REFLECTION)
        v = s->align ? reflect(v, 0, last) : reflect(v, -0.5, last + 0.5);
    return fmax(0, fmin(v, last));
}

static double position(const sampler *s, double grid, int64_t dim)
{
    const double n = (double) dim;
    double v = s->align ? (grid + 1) / 2 * (n - 1) : ((grid + 1) * n - 1) / 2;
    v = (double) (float) v; // the tie of a nearest position is decided in float32
    if (s->mode == NEAREST)
        v = rint(v);
    const double lo = s->align ? 0 : -0.5, hi = s->align ? n - 1 : n - 0.5;
    if (v >= lo && v <= hi)
        return v;
    if (s->padding == REFLECTION)
        return reflect(v, lo, hi);
    return into_range(s, v, dim);
}

static void cubic_weights(double x, double *w)
{
    const double a = -0.75, y = 1 - x;
    w[0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
    w[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
    w[2] = ((a + 2) * y - (a + 3)) * y * y + 1;
    w[3] = ((a * (y + 1) - 5 * a) * (y + 1) + 8 * a) * (y + 1) - 4 * a;
}

// The taps along one dimension; index -1 reads 0. Returns how many.
static int axis_taps(const sampler *s, double v, int64_t dim, int64_t *at, double *w)
{
    const double base = floor(v), rest = v - base;
    double first = base;
    int n = 2;
    if (s->mode == NEAREST) {
        n = 1;
        first = s->padding == ZEROS ? v : trunc(into_range(s, v, dim));
        w[0] = 1;
    } else if (s->mode == LINEAR) {
        w[0] = 1 - rest;
        w[1] = rest;
    } else {
        n = 4;
        first = base - 1;
        cubic_weights(rest, w);
    }
    for (int i = 0; i < n; i++) {
        const double where = into_range(s, first + i, dim);
        at[i] = where >= 0 && where < (double) dim ? (int64_t) where : -1;
    }
    return n;
}

// The product of all dimensions' taps; position -1 reads 0.
static void find_taps(const sampler *s, const double *grid, taps *t)
{
    t->n = 1;
    t->at[0] = 0;
    t->weight[0] = 1;
    for (int d = 0; d < s->n_spatial; d++) {
        int64_t at[MAX_AXIS_TAPS];
        double w[MAX_AXIS_TAPS];
        const double v = position(s, grid[s->n_spatial - 1 - d], s->dim[d]);
        const int n = axis_taps(s, v, s->dim[d], at, w), before = t->n;
        // From the end, so that old taps are read before they are written over.
        for (int k = before - 1; k >= 0; k--) {
            const int64_t old = t->at[k];
            const double old_weight = t->weight[k];
            for (int i = 0; i < n; i++) {
                t->at[k * n + i] = old < 0 || at[i] < 0 ? -1 : old + at[i] * s->stride[d];
                t->weight[k * n + i] = old_weight * w[i];
            }
        }
        t->n = before * n;
    }
}

#define SAMPLE(name, T)                                                               \
    static void name(const T *x, int64_t plane, T *y, int64_t step, int64_t channels, \
                     const taps *t)                                                   \
    {                                                                                 \
        for (int64_t k = 0; k < channels; k++) {                                      \
            double sum = 0;                                                           \
            for (int i = 0; i < t->n; i++)                                            \
                if (t->at[i] >= 0)                                                    \
                    sum += t->weight[i] * (double) x[k * plane + t->at[i]];           \
            y[k * step] = (T) sum;                                                    \
        }                                                                             \
    }
SAMPLE(sample_f32, float)
SAMPLE(sample_f64, double)

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *x = c->in[0];
    sampler s = { 0 };
    ppq_shape out;
    PPQ_TRY(plan(&a, &s, &out));
    PPQ_TRY(ppq_run_out(c, 0, x->dtype, &out));
    if ((x->dtype != PPQ_DT_F32 && x->dtype != PPQ_DT_F64) || !ppq_convert_knows(c->in[1]->dtype))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "%s at positions of %s is not supported",
                               ppq_dtype_name(x->dtype), ppq_dtype_name(c->in[1]->dtype));
    if (ppq_shape_numel(&out) == 0)
        return PPQ_OK;
    if (ppq_shape_numel(&x->shape) == 0)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the input has no elements");
    size_t most = 1;
    for (int i = 0; i < s.n_spatial; i++)
        most *= s.mode == NEAREST ? 1 : s.mode == LINEAR ? 2 : 4;
    taps t = { .at = ppq_new_n(c->scratch, int64_t, most),
               .weight = ppq_new_n(c->scratch, double, most) };
    const int64_t channels = out.dim[1], plane = ppq_dims_product(&x->shape, 2, x->shape.rank);
    const int64_t points = ppq_dims_product(&out, 2, out.rank);
    for (int64_t i = 0; i < out.dim[0] * points; i++) {
        double grid[MAX_SPATIAL];
        ppq_load_f64(c->in[1], i * s.n_spatial, s.n_spatial, grid);
        find_taps(&s, grid, &t);
        const int64_t from = i / points * channels * plane;
        const int64_t to = i / points * channels * points + i % points;
        if (x->dtype == PPQ_DT_F32)
            sample_f32(ppq_f32(x) + from, plane, ppq_f32(&c->out[0]) + to, points, channels, &t);
        else
            sample_f64((const double *) ppq_tensor_data(x) + from, plane,
                       (double *) ppq_tensor_data(&c->out[0]) + to, points, channels, &t);
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_grid_sample = {
    .type = "GridSample",
    .domain = "",
    .opset_min = 16,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x2, // grid
    .infer = infer,
    .forward = forward,
};
