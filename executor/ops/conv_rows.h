// Direct convolution, one output row of up to four channels at a time. A template: include with
// T, the element type, and NAME(x), which makes function names.

#include "executor/ops/axpy.h"

// Bases of one sample and one group: x at its first channel, w and the rows at the first of the
// output channels at hand.
struct NAME(block) {
    const ppq_conv_shape *s;
    const T *x, *w;
    struct NAME(rows) r;
    int64_t in_size, w_ic, w_oc; // elements per input channel; weight strides
};

// Adds column `kx` of a kernel row to output columns [from, to); x is the input row.
static void NAME(conv_column)(const struct NAME(block) * b, int64_t kx, const T *x, int64_t row,
                              int64_t from, int64_t to)
{
    const ppq_window *w = &b->s->win;
    const int d = w->n - 1;
    const int64_t stride = w->stride[d], offset = kx * w->dilation[d] - w->pad_lo[d];
    int64_t lo, hi;
    if (b->s->transposed) {
        ppq_span(offset, stride, w->in[d], w->out[d], &lo, &hi);
        if (stride == 1)
            NAME(axpy)(&b->r, row + lo + offset, x + lo, hi - lo);
        else
            NAME(axpy_steps)(&b->r, row + lo * stride + offset, stride, x + lo, 1, hi - lo);
        return;
    }
    ppq_span(offset, stride, w->out[d], w->in[d], &lo, &hi);
    lo = PPQ_MAX(lo, from);
    hi = PPQ_MIN(hi, to);
    if (lo >= hi)
        return;
    if (stride == 1)
        NAME(axpy)(&b->r, row + lo, x + lo + offset, hi - lo);
    else
        NAME(axpy_steps)(&b->r, row + lo, 1, x + lo * stride + offset, stride, hi - lo);
}

// Adds what kernel row `t` of input channel `ic` contributes to output columns [from, to).
static void NAME(conv_tap)(struct NAME(block) * b, int64_t ic, ppq_tap t, int64_t row, int64_t from,
                           int64_t to)
{
    const T *x = b->x + ic * b->in_size + t.src;
    const T *k = b->w + ic * b->w_ic + t.kernel;
    for (int64_t kx = 0; kx < b->s->win.kernel[b->s->win.n - 1]; kx++) {
        for (int j = 0; j < b->r.n; j++)
            b->r.a[j] = k[j * b->w_oc + kx];
        NAME(conv_column)(b, kx, x, row, from, to);
    }
}

// Output row `row` (its offset in a channel) of four channels at most; starts from the bias.
static void NAME(conv_row)(struct NAME(block) * b, const T *bias, const ppq_tap *taps,
                           int64_t n_taps, int64_t row)
{
    enum { CHUNK = 1024 }; // columns that stay in the first-level cache
    const int64_t width = b->s->win.out[b->s->win.n - 1];
    for (int j = 0; j < b->r.n; j++)
        for (int64_t i = 0; i < width; i++)
            b->r.y[j][row + i] = bias ? bias[j] : 0;
    const int64_t step = b->s->transposed ? width : CHUNK;
    for (int64_t from = 0; from < width; from += step)
        for (int64_t ic = 0; ic < b->s->ic; ic++)
            for (int64_t t = 0; t < n_taps; t++)
                NAME(conv_tap)(b, ic, taps[t], row, from, PPQ_MIN(from + step, width));
}

// bias may be NULL; `taps` holds ppq_window_max_taps entries.
static void NAME(conv)(const ppq_conv_shape *s, const T *x, const T *w, const T *bias, T *y,
                       ppq_tap *taps)
{
    const ppq_window *win = &s->win;
    const int64_t in_size = ppq_product(win->n, win->in);
    const int64_t out_size = ppq_product(win->n, win->out);
    // Without input channels there are no weights to stand behind the size of the kernel.
    const int64_t k_size = s->ic ? ppq_product(win->n, win->kernel) : 0;
    struct NAME(block) b = { .s = s,
                             .in_size = in_size,
                             .w_ic = s->transposed ? s->oc * k_size : k_size,
                             .w_oc = s->transposed ? k_size : s->ic * k_size };
    int64_t at[PPQ_MAX_SPATIAL] = { 0 }, row = 0;
    do {
        const int64_t n_taps = s->ic == 0      ? 0
                               : s->transposed ? ppq_window_taps_transposed(win, at, taps)
                                               : ppq_window_taps(win, at, taps);
        for (int64_t ng = 0; ng < s->batch * s->groups; ng++) {
            const int64_t g = ng % s->groups;
            b.x = x + ng * s->ic * in_size;
            for (int64_t oc = 0; oc < s->oc; oc += b.r.n) {
                b.r.n = (int) PPQ_MIN(s->oc - oc, 4);
                b.w = w + g * s->oc * s->ic * k_size + oc * b.w_oc;
                for (int j = 0; j < b.r.n; j++)
                    b.r.y[j] = y + (ng * s->oc + oc + j) * out_size;
                NAME(conv_row)(&b, bias ? bias + g * s->oc + oc : NULL, taps, n_taps, row);
            }
        }
        row += win->out[win->n - 1];
    } while (ppq_next(win->n - 1, win->out, at));
}

#undef T
#undef NAME
