#include "executor/ops/resample.h"

#include <math.h>
#include <string.h>

#include "executor/ops/backward.h"
#include "executor/ops/convert.h"
#include "executor/ops/move.h"
#include "executor/ops/types.h"

// What one axis' outputs are made of: `taps` inputs each, their positions cut to the input.
typedef struct filter {
    int64_t out, taps;
    int64_t *at;    // [out * taps]
    double *weight; // [out * taps]
    bool *outside;  // [out]: the output is outside_value
    ppq_tensor memory;
} filter;

// Where output i lies in the input.
static double coordinate(const ppq_resample *r, const ppq_resample_axis *a, int64_t i)
{
    const double x = (double) i, in = (double) a->in, out = a->scale * in;
    switch (r->coord) {
    case PPQ_COORD_ALIGN_CORNERS:
        return out == 1 ? 0 : x * (in - 1) / (out - 1);
    case PPQ_COORD_ASYMMETRIC:
        return x / a->scale;
    case PPQ_COORD_TF_CROP_AND_RESIZE: {
        const double span = (a->roi_end - a->roi_start) * (in - 1);
        return a->roi_start * (in - 1) + (out == 1 ? span / 2 : x * span / (out - 1));
    }
    case PPQ_COORD_PYTORCH_HALF_PIXEL:
        return out == 1 ? -0.5 : (x + 0.5) / a->scale - 0.5;
    case PPQ_COORD_TF_HALF_PIXEL_FOR_NN:
        return (x + 0.5) / a->scale;
    case PPQ_COORD_HALF_PIXEL_SYMMETRIC:
        return in / 2 * (1 - (double) a->out / out) + (x + 0.5) / a->scale - 0.5;
    case PPQ_COORD_HALF_PIXEL:
        break;
    }
    return (x + 0.5) / a->scale - 0.5;
}

static double kernel_value(const ppq_resample *r, double distance)
{
    const double d = fabs(distance), a = r->cubic_a;
    if (r->mode == PPQ_LINEAR)
        return d < 1 ? 1 - d : 0;
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

// `ratio` in (0, 1] is the distance from the input on the left.
static bool nearest_is_left(const ppq_resample *r, double ratio)
{
    if (ratio == 1)
        return false;
    switch (r->round) {
    case PPQ_ROUND_PREFER_FLOOR:
        return ratio <= 0.5;
    case PPQ_ROUND_PREFER_CEIL:
        return ratio < 0.5;
    case PPQ_ROUND_FLOOR:
        return true;
    case PPQ_ROUND_CEIL:
        break;
    }
    return false;
}

static int64_t clamp_position(double v, int64_t n)
{
    return v < 0 ? 0 : v > (double) (n - 1) ? n - 1 : (int64_t) v;
}

static void fill_taps(const ppq_resample *r, const ppq_resample_axis *a, double shrink, double left,
                      double ratio, int64_t taps, int64_t *at, double *weight)
{
    const int64_t first = 1 - taps / 2;
    double sum = 0;
    for (int64_t k = 0; k < taps; k++) {
        const double where = left + (double) (first + k);
        const bool inside = where >= 0 && where < (double) a->in;
        at[k] = clamp_position(where, a->in);
        weight[k] = r->exclude_outside && !inside
                        ? 0
                        : kernel_value(r, shrink * ((double) (first + k) - ratio));
        sum += weight[k];
    }
    if ((r->antialias || r->exclude_outside) && sum != 0)
        for (int64_t k = 0; k < taps; k++)
            weight[k] /= sum;
}

static ppq_status make_filter(ppq_kernel_ctx *c, const ppq_resample *r, const ppq_resample_axis *a,
                              filter *out)
{
    // Antialiasing stretches the filter when shrinking, so that it covers all inputs.
    const double shrink = r->antialias && r->mode != PPQ_NEAREST ? fmin(a->scale, 1) : 1;
    const double reach = r->mode == PPQ_CUBIC ? 2 : 1;
    const double wanted = r->mode == PPQ_NEAREST ? 1 : -2 * floor(-reach / shrink);
    const double room = (double) (SIZE_MAX / 64);
    if (wanted * (double) a->out > room)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "a scale of %g needs a filter that is too large",
                               a->scale);
    filter f = { .out = a->out, .taps = (int64_t) wanted };
    const size_t n = (size_t) (f.out * f.taps);
    PPQ_TRY(
        ppq_kernel_temp(c, n * (sizeof(*f.at) + sizeof(*f.weight)) + (size_t) f.out, &f.memory));
    f.at = ppq_tensor_data(&f.memory);
    f.weight = (double *) (f.at + n);
    f.outside = (bool *) (f.weight + n);
    for (int64_t i = 0; i < f.out; i++) {
        const double x = coordinate(r, a, i), left = ceil(x) - 1, ratio = x - left;
        f.outside[i] =
            r->coord == PPQ_COORD_TF_CROP_AND_RESIZE && (x < 0 || x > (double) (a->in - 1));
        if (r->mode == PPQ_NEAREST)
            f.at[i] = clamp_position(nearest_is_left(r, ratio) ? left : left + 1, a->in);
        else
            fill_taps(r, a, shrink, left, ratio, f.taps, f.at + i * f.taps, f.weight + i * f.taps);
    }
    *out = f;
    return PPQ_OK;
}

// ---- averages -------------------------------------------------------------------------------

// [outer, in, inner] -> [outer, out, inner]
#define FILTER_AXIS(name, T)                                                                      \
    static void name##_rows(const filter *f, double outside, const T *src, T *dst, int64_t outer, \
                            int64_t in)                                                           \
    {                                                                                             \
        for (int64_t o = 0; o < outer; o++, src += in, dst += f->out)                             \
            for (int64_t i = 0; i < f->out; i++) {                                                \
                const int64_t *at = f->at + i * f->taps;                                          \
                const double *weight = f->weight + i * f->taps;                                   \
                double sum = 0;                                                                   \
                for (int64_t t = 0; t < f->taps; t++)                                             \
                    sum += weight[t] * (double) src[at[t]];                                       \
                dst[i] = (T) (f->outside[i] ? outside : sum);                                     \
            }                                                                                     \
    }                                                                                             \
    static void name(const filter *f, double outside, const T *src, T *dst, int64_t outer,        \
                     int64_t in, int64_t inner)                                                   \
    {                                                                                             \
        for (int64_t o = 0; o < outer; o++, src += in * inner)                                    \
            for (int64_t i = 0; i < f->out; i++, dst += inner) {                                  \
                const int64_t *at = f->at + i * f->taps;                                          \
                const double *weight = f->weight + i * f->taps;                                   \
                for (int64_t k = 0; k < inner; k++)                                               \
                    dst[k] = f->outside[i] ? (T) outside : 0;                                     \
                for (int64_t t = 0; t < f->taps && !f->outside[i]; t++) {                         \
                    const T w = (T) weight[t], *s = src + at[t] * inner;                          \
                    for (int64_t k = 0; k < inner; k++)                                           \
                        dst[k] += w * s[k];                                                       \
                }                                                                                 \
            }                                                                                     \
    }
FILTER_AXIS(filter_f32, float)
FILTER_AXIS(filter_f64, double)

static ppq_status filter_axis(ppq_kernel_ctx *c, const ppq_resample *r, const ppq_resample_axis *a,
                              const ppq_tensor *src, ppq_tensor *dst)
{
    filter f;
    PPQ_TRY(make_filter(c, r, a, &f));
    const int64_t outer = ppq_dims_product(&src->shape, 0, a->axis);
    const int64_t inner = ppq_dims_product(&src->shape, a->axis + 1, src->shape.rank);
    const void *from = ppq_tensor_data(src);
    void *to = ppq_tensor_data(dst);
    if (src->dtype == PPQ_DT_F32 && inner == 1)
        filter_f32_rows(&f, r->outside_value, from, to, outer, a->in);
    else if (src->dtype == PPQ_DT_F32)
        filter_f32(&f, r->outside_value, from, to, outer, a->in, inner);
    else if (inner == 1)
        filter_f64_rows(&f, r->outside_value, from, to, outer, a->in);
    else
        filter_f64(&f, r->outside_value, from, to, outer, a->in, inner);
    ppq_tensor_unref(&f.memory);
    return PPQ_OK;
}

// Integers are averaged as double, rounded and cut to their range.
static void store_rounded(const ppq_tensor *src, ppq_tensor *dst)
{
    double *v = ppq_tensor_data(src);
    const unsigned bits = ppq_dtype_bits(dst->dtype);
    const bool is_unsigned = dst->dtype == PPQ_DT_U8 || dst->dtype == PPQ_DT_U16 ||
                             dst->dtype == PPQ_DT_U32 || dst->dtype == PPQ_DT_U64;
    const double lo = is_unsigned ? 0 : -ldexp(1, (int) bits - 1);
    const double hi = ldexp(1, (int) bits - (is_unsigned ? 0 : 1)) - 1;
    const int64_t n = ppq_shape_numel(&src->shape);
    for (int64_t i = 0; i < n; i++)
        v[i] = fmin(fmax(rint(v[i]), lo), hi);
    ppq_convert(src, dst, PPQ_CONVERT_DEFAULT);
}

static ppq_status resample_average(ppq_kernel_ctx *c, const ppq_resample *r,
                                   const ppq_resample_axis *axes, int n_axes)
{
    const ppq_tensor *x = c->in[0];
    const ppq_dtype dt = x->dtype == PPQ_DT_F32 ? PPQ_DT_F32 : PPQ_DT_F64;
    ppq_tensor now = { 0 }, next = { 0 };
    ppq_status st = PPQ_OK;
    if (x->dtype == dt) {
        now = ppq_tensor_ref(x);
    } else {
        if ((st = ppq_tensor_alloc_pool(&now, dt, &x->shape, c->pool)) != PPQ_OK)
            goto fail;
        ppq_convert(x, &now, PPQ_CONVERT_DEFAULT);
    }
    for (int i = 0; i < n_axes; i++) {
        ppq_shape s = now.shape;
        s.dim[axes[i].axis] = axes[i].out;
        if (i == n_axes - 1 && x->dtype == dt)
            next = ppq_tensor_ref(&c->out[0]);
        else if ((st = ppq_tensor_alloc_pool(&next, dt, &s, c->pool)) != PPQ_OK)
            goto fail;
        if ((st = filter_axis(c, r, &axes[i], &now, &next)) != PPQ_OK)
            goto fail;
        ppq_tensor_unref(&now);
        now = next;
        next = (ppq_tensor){ 0 };
    }
    if (x->dtype != dt)
        store_rounded(&now, &c->out[0]);
fail:
    ppq_tensor_unref(&now);
    ppq_tensor_unref(&next);
    return st == PPQ_ERR_NOMEM ? ppq_kernel_fail(c, st, "cannot allocate a step's result") : st;
}

// ---- nearest --------------------------------------------------------------------------------

static void fill_outside(const filter *f, const ppq_resample_axis *a, const void *element,
                         ppq_tensor *y)
{
    const int64_t outer = ppq_dims_product(&y->shape, 0, a->axis);
    const int64_t inner = ppq_dims_product(&y->shape, a->axis + 1, y->shape.rank);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < f->out; i++)
            if (f->outside[i])
                ppq_fill(ppq_element(y, (o * f->out + i) * inner), element, inner,
                         ppq_dtype_size(y->dtype));
}

static ppq_status outside_element(ppq_kernel_ctx *c, const ppq_resample *r, ppq_tensor *out)
{
    const ppq_shape one = { .rank = 0 };
    if (!ppq_convert_knows(c->in[0]->dtype))
        return PPQ_OK;
    if (ppq_tensor_alloc(out, c->in[0]->dtype, &one) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate an element");
    ppq_store_f64(out, 0, 1, &r->outside_value, PPQ_CONVERT_DEFAULT);
    return PPQ_OK;
}

static ppq_status resample_nearest(ppq_kernel_ctx *c, const ppq_resample *r,
                                   const ppq_resample_axis *axes, int n_axes)
{
    const ppq_tensor *x = c->in[0];
    ppq_tensor *y = &c->out[0], identity = { 0 }, element = { 0 };
    filter f[PPQ_MAX_RANK] = { 0 };
    int64_t *table[PPQ_MAX_RANK], stride[PPQ_MAX_RANK], total = 0;
    ppq_status st;
    ppq_shape_strides(&x->shape, stride);
    for (int i = 0; i < y->shape.rank; i++)
        total += y->shape.dim[i];
    if ((st = outside_element(c, r, &element)) != PPQ_OK)
        goto fail;
    if ((st = ppq_kernel_temp(c, (size_t) total * sizeof(int64_t), &identity)) != PPQ_OK)
        goto fail;
    int64_t *next = ppq_tensor_data(&identity);
    for (int i = 0; i < y->shape.rank; i++) {
        table[i] = next;
        for (int64_t k = 0; k < y->shape.dim[i]; k++)
            *next++ = k * stride[i];
    }
    for (int i = 0; i < n_axes; i++) {
        if ((st = make_filter(c, r, &axes[i], &f[i])) != PPQ_OK)
            goto fail;
        for (int64_t k = 0; k < axes[i].out; k++)
            table[axes[i].axis][k] = f[i].at[k] * stride[axes[i].axis];
    }
    ppq_copy_mapped(x, y, table);
    for (int i = 0; i < n_axes && element.buf; i++)
        fill_outside(&f[i], &axes[i], ppq_tensor_data(&element), y);
fail:
    for (int i = 0; i < n_axes; i++)
        ppq_tensor_unref(&f[i].memory);
    ppq_tensor_unref(&identity);
    ppq_tensor_unref(&element);
    return st;
}

ppq_status ppq_resample_run(ppq_kernel_ctx *c, const ppq_resample *r, const ppq_resample_axis *axes,
                            int n_axes)
{
    const ppq_dtype dt = c->in[0]->dtype;
    if (ppq_shape_numel(&c->out[0].shape) == 0)
        return PPQ_OK;
    if (n_axes == 0)
        return ppq_run_copy(c, &c->out[0].shape);
    if (r->mode == PPQ_NEAREST)
        return resample_nearest(c, r, axes, n_axes);
    if (dt != PPQ_DT_F32 && dt != PPQ_DT_F64 && (!ppq_dtype_is_integer(dt) || dt == PPQ_DT_BOOL))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "an average of %s is not supported",
                               ppq_dtype_name(dt));
    return resample_average(c, r, axes, n_axes);
}

// ---- gradients ------------------------------------------------------------------------------

// [outer, out, inner] -> [outer, in, inner], which is zeroed: what forward gathers is spread.
static void spread_axis(const filter *f, bool nearest, const float *src, float *dst, int64_t outer,
                        int64_t in, int64_t inner)
{
    for (int64_t o = 0; o < outer; o++, dst += in * inner)
        for (int64_t i = 0; i < f->out; i++, src += inner)
            for (int64_t t = 0; t < f->taps && !f->outside[i]; t++) {
                const float w = nearest ? 1 : (float) f->weight[i * f->taps + t];
                float *d = dst + f->at[i * f->taps + t] * inner;
                for (int64_t k = 0; k < inner; k++)
                    d[k] += w * src[k];
            }
}

// The axes in the reverse order, as every step is the transpose of forward's.
ppq_status ppq_resample_backward(ppq_backward_ctx *c, ppq_kernel_ctx *k, const ppq_resample *r,
                                 const ppq_resample_axis *axes, int n_axes)
{
    if (n_axes == 0)
        return ppq_backward_copy(c);
    ppq_tensor now = ppq_tensor_ref(c->grad_out[0]), next = { 0 };
    ppq_status st = PPQ_OK;
    for (int i = n_axes - 1; i >= 0; i--) {
        const ppq_resample_axis *a = &axes[i];
        ppq_shape s = now.shape;
        s.dim[a->axis] = a->in;
        if (i == 0)
            next = ppq_tensor_ref(&c->grad_in[0]);
        else if ((st = ppq_backward_temp(k, &s, &next)) != PPQ_OK)
            goto fail;
        filter f;
        if ((st = make_filter(k, r, a, &f)) != PPQ_OK)
            goto fail;
        memset(ppq_tensor_data(&next), 0, ppq_tensor_bytes(&next));
        spread_axis(&f, r->mode == PPQ_NEAREST, ppq_f32(&now), ppq_f32(&next),
                    ppq_dims_product(&s, 0, a->axis), a->in,
                    ppq_dims_product(&s, a->axis + 1, s.rank));
        ppq_tensor_unref(&f.memory);
        ppq_tensor_unref(&now);
        now = next;
        next = (ppq_tensor){ 0 };
    }
fail:
    ppq_tensor_unref(&now);
    ppq_tensor_unref(&next);
    return st;
}
