#include "core/quantfn.h"

#include <assert.h>
#include <math.h>
#include <string.h>

double ppq_round(double x, ppq_rounding r)
{
    switch (r) {
    case PPQ_ROUND_HALF_EVEN:
        return rint(x);
    case PPQ_ROUND_HALF_UP:
        return floor(x + 0.5);
    case PPQ_ROUND_HALF_DOWN:
        return ceil(x - 0.5);
    case PPQ_ROUND_HALF_TO_ZERO:
        return x < 0 ? -ceil(-x - 0.5) : ceil(x - 0.5);
    case PPQ_ROUND_HALF_FROM_ZERO:
    case PPQ_ROUND_TO_NEAR_INT:
        return x < 0 ? -floor(-x + 0.5) : floor(x + 0.5);
    case PPQ_ROUND_UP:
        return ceil(x);
    case PPQ_ROUND_COUNT:
        break;
    }
    assert(!"rounding");
    return x;
}

ppq_qparam ppq_tqc_param(const ppq_tqc *t, uint32_t c)
{
    const ppq_tqc *root = ppq_tqc_root_const(t);
    assert(root->n > 0);
    const uint32_t i = root->n == 1 ? 0 : c;
    assert(i < root->n);
    return (ppq_qparam){ root->scale[i], root->offset[i], t->fmt.qmin, t->fmt.qmax,
                         t->fmt.rounding };
}

uint32_t ppq_tqc_n(const ppq_tqc *t)
{
    return ppq_tqc_root_const(t)->n;
}

// float32 holds every integer of the range exactly.
static bool narrow(const ppq_qparam *p)
{
    return p->qmin >= -16777216.0 && p->qmax <= 16777216.0;
}

static double quantize_one(float x, const ppq_qparam *p)
{
    const double v = ppq_round((double) x / (double) p->scale, p->rounding) + (double) p->offset;
    return !(v > p->qmin) ? p->qmin : v > p->qmax ? p->qmax : v;
}

// The float32 quotient rounded by any rule; ties in float32 are ties in double.
static float quantize_narrow(float x, const ppq_qparam *p)
{
    const float v = (float) ppq_round((double) (x / p->scale), p->rounding) + p->offset;
    const float lo = (float) p->qmin, hi = (float) p->qmax;
    return !(v > lo) ? lo : v > hi ? hi : v;
}

// The level of a value in the common case: float32, ties to even, NaN at the lower end.
static inline float level(float x, float scale, float offset, float lo, float hi)
{
    float v = rintf(x / scale) + offset;
    v = v > lo ? v : lo;
    return v < hi ? v : hi;
}

PPQ_CLONES
static void fake_quant_half_even(const float *restrict src, float *restrict dst, int64_t n,
                                 float scale, float offset, float lo, float hi)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = (level(src[i], scale, offset, lo, hi) - offset) * scale;
}

void ppq_fake_quant(const float *src, float *dst, int64_t n, const ppq_qparam *p)
{
    if (!narrow(p)) {
        for (int64_t i = 0; i < n; i++)
            dst[i] = (float) (quantize_one(src[i], p) - (double) p->offset) * p->scale;
    } else if (p->rounding == PPQ_ROUND_HALF_EVEN) {
        // Chunks through a buffer: `restrict` holds even in place.
        float buf[1024];
        for (int64_t i = 0; i < n; i += 1024) {
            const int64_t k = PPQ_MIN(n - i, 1024);
            fake_quant_half_even(src + i, src == dst ? buf : dst + i, k, p->scale, p->offset,
                                 (float) p->qmin, (float) p->qmax);
            if (src == dst)
                memcpy(dst + i, buf, (size_t) k * sizeof(float));
        }
    } else {
        for (int64_t i = 0; i < n; i++)
            dst[i] = (quantize_narrow(src[i], p) - p->offset) * p->scale;
    }
}

PPQ_CLONES
static void quantize_half_even(const float *restrict src, int32_t *restrict dst, int64_t n,
                               float scale, float offset, float lo, float hi)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = (int32_t) level(src[i], scale, offset, lo, hi);
}

void ppq_quantize_i32(const float *src, int32_t *dst, int64_t n, const ppq_qparam *p)
{
    if (!narrow(p)) {
        for (int64_t i = 0; i < n; i++)
            dst[i] = (int32_t) quantize_one(src[i], p);
    } else if (p->rounding == PPQ_ROUND_HALF_EVEN) {
        quantize_half_even(src, dst, n, p->scale, p->offset, (float) p->qmin, (float) p->qmax);
    } else {
        for (int64_t i = 0; i < n; i++)
            dst[i] = (int32_t) quantize_narrow(src[i], p);
    }
}

double ppq_quant_error(const float *src, int64_t n, const ppq_qparam *p)
{
    float buf[1024];
    double sum = 0;
    for (int64_t i = 0; i < n; i += 1024) {
        const int64_t k = PPQ_MIN(n - i, 1024);
        ppq_fake_quant(src + i, buf, k, p);
        for (int64_t j = 0; j < k; j++) {
            const double e = (double) buf[j] - (double) src[i + j];
            sum += e * e;
        }
    }
    return sum;
}

// A tensor seen as outer x channels x inner runs that share one parameter.
typedef struct runs {
    int64_t outer, channels, inner;
} runs;

static ppq_status split_runs(const ppq_tqc *t, const ppq_tensor *x, runs *r)
{
    const uint32_t n = ppq_tqc_n(t);
    if (!n)
        return PPQ_ERR_STATE;
    if (!(t->fmt.props & PPQ_Q_PER_CHANNEL) || n == 1) {
        *r = (runs){ 1, 1, ppq_shape_numel(&x->shape) };
        return PPQ_OK;
    }
    const int axis = t->fmt.axis < 0 ? t->fmt.axis + x->shape.rank : t->fmt.axis;
    if (axis < 0 || axis >= x->shape.rank || x->shape.dim[axis] != (int64_t) n)
        return PPQ_ERR_SHAPE;
    *r = (runs){ 1, n, 1 };
    // Channels-last memory order is N, spatial..., C.
    if (x->layout == PPQ_LAYOUT_CHANNELS_LAST) {
        if (axis != 1)
            return PPQ_ERR_SHAPE;
        for (int i = 0; i < x->shape.rank; i++)
            r->outer *= i == 1 ? 1 : x->shape.dim[i];
        return PPQ_OK;
    }
    for (int i = 0; i < axis; i++)
        r->outer *= x->shape.dim[i];
    for (int i = axis + 1; i < x->shape.rank; i++)
        r->inner *= x->shape.dim[i];
    return PPQ_OK;
}

// One parameter per element of a row: the channel axis is the last in memory.
PPQ_CLONES
static void fake_quant_row(const float *restrict src, float *restrict dst, int64_t n,
                           const float *restrict scale, const float *restrict offset, float lo,
                           float hi)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = (level(src[i], scale[i], offset[i], lo, hi) - offset[i]) * scale[i];
}

PPQ_CLONES
static void quantize_row(const float *restrict src, int32_t *restrict dst, int64_t n,
                         const float *restrict scale, const float *restrict offset, float lo,
                         float hi)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = (int32_t) level(src[i], scale[i], offset[i], lo, hi);
}

static bool in_rows(const ppq_tqc *t, const runs *r)
{
    const ppq_qparam p = ppq_tqc_param(t, 0);
    return r->inner == 1 && r->channels > 1 && narrow(&p) && p.rounding == PPQ_ROUND_HALF_EVEN;
}

static void fake_quant_rows(const ppq_tqc *t, const runs *r, const float *src, float *dst)
{
    const ppq_tqc *root = ppq_tqc_root_const(t);
    const float lo = (float) t->fmt.qmin, hi = (float) t->fmt.qmax;
    float buf[1024];
    for (int64_t o = 0; o < r->outer; o++)
        for (int64_t c = 0; c < r->channels; c += 1024) {
            const int64_t n = PPQ_MIN(r->channels - c, 1024), at = o * r->channels + c;
            fake_quant_row(src + at, buf, n, root->scale + c, root->offset + c, lo, hi);
            memcpy(dst + at, buf, (size_t) n * sizeof(float));
        }
}

ppq_status ppq_tqc_fake_quant(const ppq_tqc *t, const ppq_tensor *src, ppq_tensor *dst)
{
    assert(src->dtype == PPQ_DT_F32 && dst->dtype == PPQ_DT_F32);
    runs r;
    PPQ_TRY(split_runs(t, src, &r));
    if (in_rows(t, &r)) {
        fake_quant_rows(t, &r, ppq_f32(src), ppq_f32(dst));
        return PPQ_OK;
    }
    for (int64_t c = 0; c < r.channels; c++) {
        const ppq_qparam p = ppq_tqc_param(t, (uint32_t) c);
        for (int64_t o = 0; o < r.outer; o++) {
            const int64_t at = (o * r.channels + c) * r.inner;
            ppq_fake_quant(ppq_f32(src) + at, ppq_f32(dst) + at, r.inner, &p);
        }
    }
    return PPQ_OK;
}

ppq_dtype ppq_qfmt_dtype(const ppq_qfmt *f)
{
    if (f->qmin >= 0)
        return f->qmax <= 255 ? PPQ_DT_U8 : f->qmax <= 65535 ? PPQ_DT_U16 : PPQ_DT_U32;
    if (f->qmin >= -128 && f->qmax <= 127)
        return PPQ_DT_I8;
    return f->qmin >= -32768 && f->qmax <= 32767 ? PPQ_DT_I16 : PPQ_DT_I32;
}

static void store(const int32_t *q, int64_t n, ppq_dtype dt, void *dst, int64_t at)
{
    for (int64_t i = 0; i < n; i++) {
        if (dt == PPQ_DT_U8 || dt == PPQ_DT_I8)
            ((uint8_t *) dst)[at + i] = (uint8_t) q[i];
        else if (dt == PPQ_DT_U16 || dt == PPQ_DT_I16)
            ((uint16_t *) dst)[at + i] = (uint16_t) q[i];
        else
            ((int32_t *) dst)[at + i] = q[i];
    }
}

ppq_status ppq_tqc_quantize(const ppq_tqc *t, const ppq_tensor *src, ppq_tensor *out)
{
    assert(src->dtype == PPQ_DT_F32 && src->layout == PPQ_LAYOUT_PLAIN);
    runs r;
    PPQ_TRY(split_runs(t, src, &r));
    ppq_tensor y;
    PPQ_TRY(ppq_tensor_alloc(&y, ppq_qfmt_dtype(&t->fmt), &src->shape));
    int32_t buf[256];
    const ppq_tqc *root = ppq_tqc_root_const(t);
    for (int64_t o = 0; in_rows(t, &r) && o < r.outer; o++)
        for (int64_t c = 0; c < r.channels; c += 256) {
            const int64_t k = PPQ_MIN(r.channels - c, 256), at = o * r.channels + c;
            quantize_row(ppq_f32(src) + at, buf, k, root->scale + c, root->offset + c,
                         (float) t->fmt.qmin, (float) t->fmt.qmax);
            store(buf, k, y.dtype, ppq_tensor_data(&y), at);
        }
    for (int64_t o = 0; !in_rows(t, &r) && o < r.outer; o++)
        for (int64_t c = 0; c < r.channels; c++) {
            const ppq_qparam p = ppq_tqc_param(t, (uint32_t) c);
            const int64_t at = (o * r.channels + c) * r.inner;
            for (int64_t i = 0; i < r.inner; i += 256) {
                const int64_t k = PPQ_MIN(r.inner - i, 256);
                ppq_quantize_i32(ppq_f32(src) + at + i, buf, k, &p);
                store(buf, k, y.dtype, ppq_tensor_data(&y), at + i);
            }
        }
    *out = y;
    return PPQ_OK;
}
