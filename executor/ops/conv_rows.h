// Direct convolution, one output row of up to four channels at a time. A template: include with
// T, the element type, and NAME(x), which makes function names.

#include "executor/ops/axpy.h"

// Bases of one sample and one group: x at its first channel, w and y at the first of `rows`
// output channels.
typedef struct NAME(conv_block) {
    const ppq_conv_shape *s;
    const T *x, *w;
    T *y[4];
    int rows;
    int64_t in_size, w_ic, w_oc; // elements per input channel; weight strides
} NAME(conv_block);

// Adds what kernel row `t` of input channel `ic` contributes to output columns [from, to).
static void NAME(conv_tap)(const NAME(conv_block) * b, int64_t ic, ppq_tap t, int64_t row,
                           int64_t from, int64_t to)
{
    const ppq_window *w = &b->s->win;
    const int d = w->n - 1;
    const T *x = b->x + ic * b->in_size + t.src;
    const T *k = b->w + ic * b->w_ic + t.kernel;
    for (int64_t kx = 0; kx < w->kernel[d]; kx++) {
        const int64_t offset = kx * w->dilation[d] - w->pad_lo[d];
        T a[4];
        for (int j = 0; j < b->rows; j++)
            a[j] = k[j * b->w_oc + kx];
        int64_t lo, hi;
        if (b->s->transposed) {
            ppq_span(offset, w->stride[d], w->in[d], w->out[d], &lo, &hi);
            NAME(axpy_strided)
            (b->y, row + lo * w->stride[d] + offset, w->stride[d], b->rows, a, x + lo, 1, hi - lo);
            continue;
        }
        ppq_span(offset, w->stride[d], w->out[d], w->in[d], &lo, &hi);
        lo = PPQ_MAX(lo, from);
        hi = PPQ_MIN(hi, to);
        if (lo >= hi)
            continue;
        if (w->stride[d] == 1)
            NAME(axpy)(b->y, row + lo, b->rows, a, x + lo + offset, hi - lo);
        else
            NAME(axpy_strided)
            (b->y, row + lo, 1, b->rows, a, x + lo * w->stride[d] + offset, w->stride[d], hi - lo);
    }
}

// Output row `row` (its offset in a channel) of four channels at most; starts from the bias.
static void NAME(conv_row)(const NAME(conv_block) * b, const T *bias, const ppq_tap *taps,
                           int64_t n_taps, int64_t row)
{
    enum { CHUNK = 1024 }; // columns that stay in the first-level cache
    const int64_t width = b->s->win.out[b->s->win.n - 1];
    for (int j = 0; j < b->rows; j++)
        for (int64_t i = 0; i < width; i++)
            b->y[j][row + i] = bias ? bias[j] : 0;
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
    const int64_t k_size = ppq_product(win->n, win->kernel);
    const int64_t outer = win->n - 1;
    NAME(conv_block)
    b = { .s = s,
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
            for (int64_t oc = 0; oc < s->oc; oc += b.rows) {
                b.rows = (int) PPQ_MIN(s->oc - oc, 4);
                b.w = w + g * s->oc * s->ic * k_size + oc * b.w_oc;
                for (int j = 0; j < b.rows; j++)
                    b.y[j] = y + (ng * s->oc + oc + j) * out_size;
                NAME(conv_row)(&b, bias ? bias + g * s->oc + oc : NULL, taps, n_taps, row);
            }
        }
        row += win->out[win->n - 1];
    } while (ppq_next((int) outer, win->out, at));
}

#undef T
#undef NAME
