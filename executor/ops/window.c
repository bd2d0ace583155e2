#include "executor/ops/window.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Keeps every sum of sizes below far from overflow.
#define MAX_INPUT ((int64_t) 1 << 60)

typedef enum pad_mode { PAD_EXPLICIT, PAD_VALID, PAD_SAME_UPPER, PAD_SAME_LOWER } pad_mode;

bool ppq_because(ppq_reason *why, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why->text, sizeof(why->text), fmt, ap);
    va_end(ap);
    return false;
}

// `count` integers in [lo, INT32_MAX], or `fallback` repeated when the attribute is absent.
static bool read_ints(const ppq_op *op, const char *name, int count, int64_t fallback, int64_t lo,
                      int64_t *out, ppq_reason *why)
{
    const int64_t *v;
    const size_t have = ppq_op_attr_ints(op, name, &v);
    if (have && have != (size_t) count)
        return ppq_because(why, "%s has %zu values, expected %d", name, have, count);
    for (int i = 0; i < count; i++) {
        out[i] = have ? v[i] : fallback;
        if (out[i] < lo || out[i] > INT32_MAX)
            return ppq_because(why, "%s[%d] is %lld, expected %lld to %d", name, i,
                               (long long) out[i], (long long) lo, INT32_MAX);
    }
    return true;
}

static bool read_pad_mode(const ppq_op *op, pad_mode *out, ppq_reason *why)
{
    static const char *const names[] = { "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER" };
    const ppq_attr *a = ppq_op_attr(op, "auto_pad");
    *out = PAD_EXPLICIT;
    if (!a || (a->kind == PPQ_ATTR_STRING && a->u.s.size == 0))
        return true;
    for (size_t i = 0; i < PPQ_COUNT(names); i++)
        if (ppq_op_attr_is(op, "auto_pad", names[i])) {
            *out = (pad_mode) i;
            return true;
        }
    return ppq_because(why, "auto_pad is not NOTSET, VALID, SAME_UPPER or SAME_LOWER");
}

static bool read_kernel(ppq_window *w, const ppq_op *op, const int64_t *kernel, ppq_reason *why)
{
    const int64_t *v;
    const bool given = ppq_op_attr_ints(op, "kernel_shape", &v) > 0;
    if (!given && !kernel)
        return ppq_because(why, "kernel_shape is missing");
    if (given && !read_ints(op, "kernel_shape", w->n, 1, 1, w->kernel, why))
        return false;
    for (int i = 0; kernel && i < w->n; i++) {
        if (given && kernel[i] >= 0 && kernel[i] != w->kernel[i])
            return ppq_because(why, "kernel_shape[%d] is %lld but the weights have %lld", i,
                               (long long) w->kernel[i], (long long) kernel[i]);
        if (!given)
            w->kernel[i] = kernel[i] < 0 ? PPQ_DIM_UNKNOWN : kernel[i];
        if (w->kernel[i] == 0 || w->kernel[i] > INT32_MAX)
            return ppq_because(why, "kernel dimension %d is %lld, expected 1 to %d", i,
                               (long long) w->kernel[i], INT32_MAX);
    }
    return true;
}

static bool read_attributes(ppq_window *w, const ppq_op *op, int n, const int64_t *in,
                            const int64_t *kernel, pad_mode *mode, ppq_reason *why)
{
    assert(n >= 1 && n <= PPQ_MAX_SPATIAL);
    *w = (ppq_window){ .n = n };
    int64_t pads[2 * PPQ_MAX_SPATIAL];
    if (!read_kernel(w, op, kernel, why) || !read_ints(op, "strides", n, 1, 1, w->stride, why) ||
        !read_ints(op, "dilations", n, 1, 1, w->dilation, why) ||
        !read_ints(op, "pads", 2 * n, 0, 0, pads, why) || !read_pad_mode(op, mode, why))
        return false;
    for (int i = 0; i < n; i++) {
        w->in[i] = in[i];
        if (in[i] > MAX_INPUT)
            return ppq_because(why, "spatial dimension %d of the input is %lld, which is too large",
                               i, (long long) in[i]);
        if (*mode == PAD_EXPLICIT) {
            w->pad_lo[i] = pads[i];
            w->pad_hi[i] = pads[n + i];
        }
    }
    return true;
}

static bool does_not_fit(const ppq_window *w, int i, ppq_reason *why)
{
    return ppq_because(why,
                       "a window of extent %lld does not fit into spatial dimension %d of size "
                       "%lld with padding %lld",
                       (long long) ppq_window_extent(w, i), i, (long long) w->in[i],
                       (long long) (w->pad_lo[i] + w->pad_hi[i]));
}

static void fit_same(ppq_window *w, int i, pad_mode mode)
{
    const int64_t in = w->in[i], stride = w->stride[i];
    if (in < 0) {
        w->out[i] = stride == 1 ? in : PPQ_DIM_UNKNOWN;
        return;
    }
    w->out[i] = (in + stride - 1) / stride;
    if (w->kernel[i] < 0)
        return;
    const int64_t need = (w->out[i] - 1) * stride + ppq_window_extent(w, i) - in;
    const int64_t total = PPQ_MAX(need, 0);
    w->pad_lo[i] = mode == PAD_SAME_UPPER ? total / 2 : total - total / 2;
    w->pad_hi[i] = total - w->pad_lo[i];
}

static bool fit(ppq_window *w, int i, bool ceil_mode, ppq_reason *why)
{
    w->out[i] = PPQ_DIM_UNKNOWN;
    if (w->kernel[i] < 0)
        return true;
    const int64_t in = w->in[i], stride = w->stride[i];
    const int64_t grown = w->pad_lo[i] + w->pad_hi[i] - ppq_window_extent(w, i);
    if (in < 0) {
        if (stride == 1 && grown == -1)
            w->out[i] = in;
        return true;
    }
    if (in + grown < 0)
        return does_not_fit(w, i, why);
    w->out[i] = (in + grown) / stride + 1;
    // Rounding up adds a window, but never one that starts behind the input.
    if (ceil_mode && (in + grown) % stride && w->out[i] * stride < in + w->pad_lo[i])
        w->out[i]++;
    return true;
}

bool ppq_window_init(ppq_window *w, const ppq_op *op, int n, const int64_t *in,
                     const int64_t *kernel, ppq_reason *why)
{
    pad_mode mode;
    if (!read_attributes(w, op, n, in, kernel, &mode, why))
        return false;
    const bool ceil_mode = ppq_op_attr_int(op, "ceil_mode", 0) != 0;
    for (int i = 0; i < n; i++) {
        if (mode == PAD_SAME_UPPER || mode == PAD_SAME_LOWER)
            fit_same(w, i, mode);
        else if (!fit(w, i, ceil_mode, why))
            return false;
    }
    return true;
}

// Given the size without padding and the size wanted, pads what is too much.
static void pad_down_to(ppq_window *w, int i, int64_t full, int64_t want, pad_mode mode)
{
    const int64_t total = PPQ_MAX(full - want, 0);
    w->pad_lo[i] = mode == PAD_SAME_UPPER ? total / 2 : total - total / 2;
    w->pad_hi[i] = total - w->pad_lo[i];
}

static bool fit_transposed(ppq_window *w, int i, int64_t extra, int64_t want, pad_mode mode,
                           ppq_reason *why)
{
    w->out[i] = want;
    if (w->in[i] < 0 || w->kernel[i] < 0)
        return true;
    int64_t full;
    if (__builtin_mul_overflow(w->stride[i], w->in[i] - 1, &full) || full > MAX_INPUT)
        return ppq_because(why, "spatial dimension %d of the output is too large", i);
    full += extra + ppq_window_extent(w, i);
    if (want >= 0) {
        pad_down_to(w, i, full, want, mode);
        return true;
    }
    if (mode == PAD_SAME_UPPER || mode == PAD_SAME_LOWER)
        pad_down_to(w, i, full, w->in[i] * w->stride[i], mode);
    w->out[i] = full - w->pad_lo[i] - w->pad_hi[i];
    return w->out[i] >= 0 || does_not_fit(w, i, why);
}

bool ppq_window_init_transposed(ppq_window *w, const ppq_op *op, int n, const int64_t *in,
                                const int64_t *kernel, ppq_reason *why)
{
    pad_mode mode;
    int64_t extra[PPQ_MAX_SPATIAL];
    if (!read_attributes(w, op, n, in, kernel, &mode, why) ||
        !read_ints(op, "output_padding", n, 0, 0, extra, why))
        return false;
    const int64_t *want;
    const size_t have = ppq_op_attr_ints(op, "output_shape", &want);
    if (have && have != (size_t) n && have != (size_t) n + 2)
        return ppq_because(why, "output_shape has %zu values, expected %d", have, n);
    if (have > (size_t) n)
        want += 2; // some writers list batch and channels too
    for (int i = 0; i < n; i++) {
        if (have && (want[i] < 0 || want[i] > INT32_MAX))
            return ppq_because(why, "output_shape[%d] is %lld, expected 0 to %d", i,
                               (long long) want[i], INT32_MAX);
        if (!fit_transposed(w, i, extra[i], have ? want[i] : PPQ_DIM_UNKNOWN, mode, why))
            return false;
    }
    return true;
}

static int64_t div_ceil(int64_t a, int64_t b) // a >= 0, b > 0
{
    return a / b + (a % b != 0);
}

void ppq_span(int64_t offset, int64_t stride, int64_t count, int64_t limit, int64_t *lo,
              int64_t *hi)
{
    const int64_t first = offset < 0 ? div_ceil(-offset, stride) : 0;
    const int64_t end = offset < limit ? (limit - 1 - offset) / stride + 1 : 0;
    *hi = PPQ_MIN(end, count);
    *lo = PPQ_MIN(first, *hi); // an empty span is [hi, hi)
}

static bool no_input(const ppq_window *w)
{
    for (int i = 0; i < w->n; i++)
        if (w->in[i] == 0)
            return true;
    return false;
}

int64_t ppq_window_max_taps(const ppq_window *w)
{
    if (no_input(w))
        return 0;
    int64_t n = 1;
    for (int i = 0; i < w->n - 1; i++)
        n *= PPQ_MIN(w->kernel[i], w->in[i]);
    return n;
}

// Kernel positions [lo, hi) in steps of `step` that are legal in one dimension, and the input
// position of `lo`; every further step moves the input by `move`.
typedef struct tap_range {
    int64_t lo, hi, step, src, move;
} tap_range;

static tap_range forward_range(const ppq_window *w, int d, int64_t at)
{
    tap_range r = { .step = 1, .move = w->dilation[d] };
    const int64_t start = at * w->stride[d] - w->pad_lo[d];
    ppq_span(start, w->dilation[d], w->kernel[d], w->in[d], &r.lo, &r.hi);
    r.src = start + r.lo * w->dilation[d];
    return r;
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        const int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

// Output `at` meets input i through kernel position k when i * stride = at + pad - k * dilation.
// The legal k form an arithmetic progression, which is found by stepping through one period.
static tap_range transposed_range(const ppq_window *w, int d, int64_t at)
{
    const int64_t s = w->stride[d], dil = w->dilation[d], sum = at + w->pad_lo[d];
    const int64_t period = s / gcd(s, dil);
    tap_range r = { .step = period, .move = -(period * dil / s), .hi = w->kernel[d] };
    // i <= in - 1, so k * dilation >= sum - (in - 1) * stride; i >= 0, so k * dilation <= sum.
    const int64_t over = sum - (w->in[d] - 1) * s;
    r.lo = over > 0 ? div_ceil(over, dil) : 0;
    if (w->in[d] > 0)
        r.hi = PPQ_MIN(r.hi, sum / dil + 1);
    else
        r.hi = 0;
    for (int64_t i = 0; i < period && r.lo < r.hi && (sum - r.lo * dil) % s; i++)
        r.lo++;
    if (r.lo < r.hi && (sum - r.lo * dil) % s)
        r.lo = r.hi;
    r.src = r.lo < r.hi ? (sum - r.lo * dil) / s : 0;
    return r;
}

// The row-major product of the ranges of all dimensions but the last.
static int64_t list_taps(const ppq_window *w, const tap_range *range, ppq_tap *taps)
{
    const int n = w->n - 1;
    int64_t k[PPQ_MAX_SPATIAL];
    if (no_input(w))
        return 0;
    for (int i = 0; i < n; i++) {
        if (range[i].lo >= range[i].hi)
            return 0;
        k[i] = range[i].lo;
    }
    for (int64_t count = 0;;) {
        ppq_tap t = { 0 };
        for (int i = 0; i < n; i++) {
            const int64_t steps = (k[i] - range[i].lo) / range[i].step;
            t.src = t.src * w->in[i] + range[i].src + steps * range[i].move;
            t.kernel = t.kernel * w->kernel[i] + k[i];
        }
        taps[count++] = (ppq_tap){ .src = t.src * w->in[n], .kernel = t.kernel * w->kernel[n] };
        int i = n - 1;
        for (; i >= 0; i--) {
            k[i] += range[i].step;
            if (k[i] < range[i].hi)
                break;
            k[i] = range[i].lo;
        }
        if (i < 0)
            return count;
    }
}

int64_t ppq_window_taps(const ppq_window *w, const int64_t *at, ppq_tap *taps)
{
    tap_range r[PPQ_MAX_SPATIAL];
    for (int i = 0; i < w->n - 1; i++)
        r[i] = forward_range(w, i, at[i]);
    return list_taps(w, r, taps);
}

int64_t ppq_window_taps_transposed(const ppq_window *w, const int64_t *at, ppq_tap *taps)
{
    tap_range r[PPQ_MAX_SPATIAL];
    for (int i = 0; i < w->n - 1; i++)
        r[i] = transposed_range(w, i, at[i]);
    return list_taps(w, r, taps);
}

ppq_window ppq_window_as_image(const ppq_window *w)
{
    if (w->n != 1)
        return *w;
    return (ppq_window){ .n = 2,
                         .in = { 1, w->in[0] },
                         .out = { 1, w->out[0] },
                         .kernel = { 1, w->kernel[0] },
                         .stride = { 1, w->stride[0] },
                         .dilation = { 1, w->dilation[0] },
                         .pad_lo = { 0, w->pad_lo[0] },
                         .pad_hi = { 0, w->pad_hi[0] } };
}
