#include "executor/engine/kernels/pool.h"

#include "executor/engine/kernels/pool_loops.h"

// Positions of a window along one dimension.
typedef struct span {
    int64_t first, n; // inside of the image
    int64_t n_padded; // inside of the image and its padding
} span;

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static span span_of(const ppq_q8_pool *k, int d, int64_t i)
{
    const ppq_window_2d *w = &k->win;
    const int64_t start = i * w->stride[d] - w->pad_lo[d], step = w->dilation[d];
    const int64_t size = w->src_size[d], all = w->kernel[d];
    const int64_t skipped = start < 0 ? PPQ_MIN(ceil_div(-start, step), all) : 0;
    const int64_t to_end = start < size ? ceil_div(size - start, step) : 0;
    const int64_t to_pad_end =
        start < size + k->pad_hi[d] ? ceil_div(size + k->pad_hi[d] - start, step) : 0;
    return (span){ start + skipped * step, PPQ_MAX(PPQ_MIN(to_end, all) - skipped, 0),
                   PPQ_MIN(to_pad_end, all) };
}

typedef struct position {
    int64_t image;
    span rows;
} position;

static position position_of(const ppq_q8_pool *k, int64_t row)
{
    const int64_t y = row % k->win.dst_size[0];
    return (position){ row / k->win.dst_size[0], span_of(k, 0, y) };
}

static ppq_pool_window window_of(const ppq_q8_pool *k, const uint8_t *src, const position *p,
                                 const span *columns)
{
    const int64_t row_bytes = k->win.src_size[1] * k->channels, *step = k->win.dilation;
    ppq_pool_window w = { .n = { p->rows.n, columns->n },
                          .step = { step[0] * row_bytes, step[1] * k->channels },
                          .channels = k->channels };
    const bool any = w.n[0] > 0 && w.n[1] > 0;
    w.first = any ? src + (p->image * k->win.src_size[0] + p->rows.first) * row_bytes +
                        columns->first * k->channels
                  : src;
    return w;
}

void ppq_q8_pool_average(ppq_isa isa, const ppq_q8_pool *k, const void *src, void *dst,
                         int64_t row_lo, int64_t row_hi)
{
    const ppq_pool_loops *loops = ppq_pool_loops_pick(isa);
    const ppq_q8_raw from = ppq_q8_to_raw(&k->src);
    const ppq_q8_raw to = k->to_float ? from : ppq_q8_to_raw(&k->dst);
    const int64_t pixel = k->channels * (k->to_float ? (int64_t) sizeof(float) : 1);
    uint8_t *out = (uint8_t *) dst + row_lo * k->win.dst_size[1] * pixel;
    for (int64_t row = row_lo; row < row_hi; row++) {
        const position p = position_of(k, row);
        for (int64_t x = 0; x < k->win.dst_size[1]; x++, out += pixel) {
            const span columns = span_of(k, 1, x);
            const ppq_pool_window w = window_of(k, src, &p, &columns);
            const int64_t n = k->include_pad ? p.rows.n_padded * columns.n_padded : w.n[0] * w.n[1];
            loops->average(&w, PPQ_MAX(n, 1), &from, k->to_float ? NULL : &to, out);
        }
    }
}

void ppq_q8_pool_max(ppq_isa isa, const ppq_q8_pool *k, const void *src, void *dst, int64_t row_lo,
                     int64_t row_hi)
{
    const ppq_pool_loops *loops = ppq_pool_loops_pick(isa);
    const uint8_t flip = ppq_q8_to_raw(&k->src).flip;
    uint8_t *out = (uint8_t *) dst + row_lo * k->win.dst_size[1] * k->channels;
    for (int64_t row = row_lo; row < row_hi; row++) {
        const position p = position_of(k, row);
        for (int64_t x = 0; x < k->win.dst_size[1]; x++, out += k->channels) {
            const span columns = span_of(k, 1, x);
            const ppq_pool_window w = window_of(k, src, &p, &columns);
            loops->max(&w, flip, out);
        }
    }
}
