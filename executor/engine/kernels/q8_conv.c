#include "executor/engine/kernels/q8_conv.h"

#include <stdlib.h>
#include <string.h>

#include "executor/engine/kernels/q8_conv_loops.h"

// A strip of an image's rows is copied with its borders, unless it can be read where it is, and
// stays in the second-level cache with its results while all blocks of output channels pass over
// it.

enum { STRIP = 1 << 17 }; // bytes of both, about

// One pixel each, all of them inside of the image.
static bool is_pointwise(const ppq_q8_conv_desc *c)
{
    const ppq_window_2d *w = &c->win;
    bool inside = true;
    for (int i = 0; i < 2; i++)
        inside =
            inside && w->pad_lo[i] == 0 && (w->dst_size[i] - 1) * w->stride[i] < w->src_size[i];
    return inside && ppq_window_2d_taps(w) == 1;
}

// Pointwise without steps: all pixels of all images are one column of pixels.
static void straighten(ppq_q8_conv_desc *c)
{
    ppq_window_2d *w = &c->win;
    for (int i = 0; i < 2; i++)
        if (!is_pointwise(c) || w->stride[i] != 1 || w->src_size[i] != w->dst_size[i])
            return;
    w->src_size[0] = w->dst_size[0] = c->batch * ppq_window_2d_dst_pixels(w);
    w->src_size[1] = w->dst_size[1] = 1;
    c->batch = 1;
}

static int64_t src_rows(const ppq_q8_conv *k, int64_t rows)
{
    const ppq_window_2d *w = &k->desc.win;
    return k->skips ? rows : (rows - 1) * w->stride[0] + ppq_window_2d_extent(w, 0);
}

static void lay_out_strip(ppq_q8_conv *k)
{
    const ppq_q8_conv_desc *c = &k->desc;
    k->pixel = c->groups == 1 ? k->pad_in : c->groups * c->in;
    k->width = (c->win.dst_size[1] - 1) * (k->skips ? 1 : c->win.stride[1]) +
               ppq_window_2d_extent(&c->win, 1);
}

static bool strip_fits(const ppq_q8_conv *k)
{
    const int64_t most = INT32_MAX;
    return k->width <= most && k->pixel <= most && src_rows(k, 1) <= most / k->pixel / k->width;
}

// What computing a strip of that many rows of the result touches again and again.
static int64_t strip_bytes(const ppq_q8_conv *k, int64_t rows)
{
    const ppq_q8_conv_desc *c = &k->desc;
    const int64_t element = c->to_float ? (int64_t) sizeof(float) : 1;
    return src_rows(k, rows) * k->width * k->pixel +
           rows * c->win.dst_size[1] * c->groups * c->out * element;
}

static void divide(ppq_q8_conv *k)
{
    enum { UNITS = 8 };
    const ppq_q8_conv_desc *c = &k->desc;
    k->rows = 1;
    while (k->rows < c->win.dst_size[0] && strip_bytes(k, k->rows * 2) <= (int64_t) STRIP)
        k->rows *= 2;
    k->rows = PPQ_MIN(k->rows, c->win.dst_size[0]);
    k->n_strips = (c->win.dst_size[0] + k->rows - 1) / k->rows;
    k->n_parts = PPQ_MAX(1, UNITS / (k->n_strips * c->batch));
    k->n_parts = PPQ_MIN(k->n_parts, k->n_blocks);
}

// A change of unit moves through these.
static bool scales(const ppq_q8_end *e)
{
    return e->kind <= PPQ_Q8_END_CLIP;
}

static void take_unit(ppq_q8_conv *k)
{
    ppq_q8_conv_desc *c = &k->desc;
    const double unit = (double) c->dst_scale;
    bool all = !c->to_float;
    for (int i = 0; i < c->n_end; i++)
        all = all && scales(&c->end[i]);
    k->last = all || c->to_float ? 1 : (float) (1 / unit);
    for (int i = 0; all && i < c->n_end; i++) {
        ppq_q8_end *e = &c->end[i];
        if (e->kind == PPQ_Q8_END_RELU)
            continue;
        e->a = (float) ((double) e->a / unit);
        e->b = (float) ((double) e->b / unit);
    }
}

// ---- weights --------------------------------------------------------------------------------

enum { LIMIT = 128 }; // a sum of two weights that cannot saturate with inputs of up to 255

// Two weights that meet in a pair: the part of the second that is kept back.
static int rest_of(int a, int b)
{
    return a + b > LIMIT ? a + b - LIMIT : a + b < -LIMIT ? a + b + LIMIT : 0;
}

static int64_t lanes(const ppq_q8_conv *k)
{
    return k->loops->columns / 2;
}

// Output channels of vector v of all vectors of a group's blocks.
static int64_t channels_of(const ppq_q8_conv *k, int64_t v)
{
    return PPQ_MAX(0, PPQ_MIN(lanes(k), k->desc.out - v * lanes(k)));
}

static const int8_t *weights_of(const ppq_q8_conv *k, int64_t g, int64_t v)
{
    const ppq_q8_conv_desc *c = &k->desc;
    return c->weights + (g * c->out + v * lanes(k)) * c->wei_out;
}

static inline unsigned too_large(int a, int b)
{
    return (unsigned) (a + b + LIMIT) > 2 * LIMIT;
}

// Which orders of four weights make a pair that could saturate, a bit for each.
static inline unsigned bad_orders(int a, int b, int c, int d)
{
    return (too_large(a, b) | too_large(c, d)) | (too_large(a, c) | too_large(b, d)) << 1 |
           (too_large(a, d) | too_large(b, c)) << 2;
}

static inline void mark_channel(const ppq_q8_conv *k, const int8_t *src, int64_t taps, int64_t step,
                                uint8_t *fours)
{
    const int64_t across = k->pad_in / 4, in = k->desc.in;
    for (int64_t i = 0; i < across; i++, src += 4 * step)
        for (int64_t tap = 0; tap < taps; tap++) {
            const int8_t *w = src + tap;
            const int64_t left = in - 4 * i;
            fours[tap * across + i] |=
                (uint8_t) bad_orders(w[0], left > 1 ? w[step] : 0, left > 2 ? w[2 * step] : 0,
                                     left > 3 ? w[3 * step] : 0);
        }
}

// Notes in fours[depth / 4] which orders are bad for some of a vector's channels.
static void mark_fours(const ppq_q8_conv *k, int64_t g, int64_t v, uint8_t *fours)
{
    const ppq_q8_conv_desc *c = &k->desc;
    const int64_t taps = ppq_window_2d_taps(&c->win);
    const int8_t *src = weights_of(k, g, v);
    memset(fours, 0, (size_t) k->depth / 4);
    for (int64_t o = 0; o < channels_of(k, v); o++, src += c->wei_out) {
        if (taps == 1 && c->wei_in == 1)
            mark_channel(k, src, 1, 1, fours);
        else
            mark_channel(k, src, taps, c->wei_in, fours);
    }
}

// Both vectors of a block.
static void mark_block(const ppq_q8_conv *k, int64_t g, int64_t b, uint8_t *marks)
{
    mark_fours(k, g, 2 * b, marks);
    mark_fours(k, g, 2 * b + 1, marks + k->depth / 4);
}

// The first order that is good for four i in a whole block; 0 also when none is.
static int order_of(const ppq_q8_conv *k, const uint8_t *marks, int64_t i)
{
    const unsigned bad = marks[i] | marks[k->depth / 4 + i];
    return !(bad & 1) ? 0 : !(bad & 2) ? 1 : !(bad & 4) ? 2 : 0;
}

// Whether vector v of the block has rests in four i.
static bool has_rest(const ppq_q8_conv *k, const uint8_t *marks, int64_t v, int64_t i)
{
    return order_of(k, marks, i) == 0 && marks[v * (k->depth / 4) + i] & 1;
}

static bool count_rests(ppq_q8_conv *k)
{
    uint8_t *marks = malloc((size_t) k->depth / 2);
    if (!marks)
        return false;
    for (int64_t g = 0; g < k->desc.groups; g++)
        for (int64_t b = 0; b < k->n_blocks; b++) {
            mark_block(k, g, b, marks);
            for (int64_t i = 0; i < k->depth / 4; i++)
                k->n_rests += has_rest(k, marks, 0, i) + has_rest(k, marks, 1, i);
        }
    free(marks);
    return k->n_rests < INT32_MAX;
}

bool ppq_q8_conv_init(ppq_q8_conv *k, const ppq_q8_conv_desc *desc, ppq_isa isa)
{
    const int64_t height = desc->win.kernel[0], width = desc->win.kernel[1];
    if (height > PPQ_Q8_CONV_DEPTH || width > PPQ_Q8_CONV_DEPTH || desc->in > PPQ_Q8_CONV_DEPTH ||
        height * width * (desc->in + 3) > PPQ_Q8_CONV_DEPTH)
        return false;
    *k = (ppq_q8_conv){ .desc = *desc, .loops = ppq_q8_conv_loops_pick(isa), .isa = isa };
    straighten(&k->desc);
    k->skips = is_pointwise(&k->desc);
    k->pad_in = (desc->in + 3) / 4 * 4;
    k->depth = height * width * k->pad_in;
    k->n_blocks = (desc->out + k->loops->columns - 1) / k->loops->columns;
    k->columns = (k->n_blocks - 1) * k->loops->columns + ppq_q8_conv_columns(k, k->n_blocks - 1);
    lay_out_strip(k);
    if (!strip_fits(k))
        return false;
    divide(k);
    take_unit(k);
    return count_rests(k);
}

// ---- packing --------------------------------------------------------------------------------

// The parts of the packed memory, in this order.
typedef struct parts {
    float *scale, *bias;
    int32_t *offset, *rest_at, *first_rest, *four_at, *n_ordered;
    int8_t *weights, *rests;
    uint8_t *marks; // of one block, while it is packed
    size_t bytes;
} parts;

static parts divide_memory(const ppq_q8_conv *k, void *memory)
{
    const size_t blocks = (size_t) (k->desc.groups * k->n_blocks);
    const size_t columns = blocks * (size_t) k->loops->columns, rests = (size_t) k->n_rests;
    const size_t fours = blocks * (size_t) k->depth / 4;
    const size_t numbers = 3 * columns + rests + 2 * blocks + 1 + fours + PPQ_Q8_ORDERS * blocks;
    const size_t weights = (size_t) (k->desc.groups * k->columns * k->depth);
    const size_t marks = (size_t) k->depth / 2;
    parts p = { .bytes = 4 * numbers + weights + rests * 4 * (size_t) lanes(k) + marks };
    if (!memory)
        return p;
    p.scale = memory;
    p.bias = p.scale + columns;
    p.offset = (int32_t *) (void *) (p.bias + columns);
    p.rest_at = p.offset + columns;
    p.first_rest = p.rest_at + rests;
    p.four_at = p.first_rest + 2 * blocks + 1;
    p.n_ordered = p.four_at + fours;
    p.weights = (int8_t *) (p.n_ordered + PPQ_Q8_ORDERS * blocks);
    p.rests = p.weights + weights;
    p.marks = (uint8_t *) p.rests + rests * 4 * (size_t) lanes(k);
    return p;
}

size_t ppq_q8_conv_bytes(const ppq_q8_conv *k)
{
    return divide_memory(k, NULL).bytes;
}

// Where four i of a window lies in a strip, from the pixel's beginning.
static int64_t four_at(const ppq_q8_conv *k, int64_t i)
{
    const ppq_window_2d *w = &k->desc.win;
    const int64_t tap = i * 4 / k->pad_in, y = tap / w->kernel[1], x = tap % w->kernel[1];
    return (y * w->dilation[0] * k->width + x * w->dilation[1]) * k->pixel + i * 4 % k->pad_in;
}

// The four weights of channel o, of those that begin at `src`, in four i of the window.
static void four_of(const ppq_q8_conv *k, const int8_t *src, int64_t o, int64_t i, int8_t out[4])
{
    const ppq_q8_conv_desc *c = &k->desc;
    const int64_t tap = i * 4 / k->pad_in, in = i * 4 % k->pad_in;
    const int8_t *w = src + o * c->wei_out + in * c->wei_in + tap;
    for (int64_t p = 0; p < 4; p++)
        out[p] = in + p < c->in ? w[p * c->wei_in] : 0;
}

// Four i of all of a block's columns. Where no order is good, rests are left out.
static void pack_four(const ppq_q8_conv *k, int64_t g, int64_t b, int64_t i, int order, parts *p)
{
    const int64_t columns = ppq_q8_conv_columns(k, b), left = k->desc.out - b * k->loops->columns;
    const int8_t *src = weights_of(k, g, 2 * b);
    for (int64_t o = 0; o < PPQ_MIN(columns, left); o++) {
        int8_t w[4];
        four_of(k, src, o, i, w);
        p->offset[o] -= k->desc.src_zero * (w[0] + w[1] + w[2] + w[3]);
        if (order == 0) {
            w[1] = (int8_t) (w[1] - rest_of(w[0], w[1]));
            w[3] = (int8_t) (w[3] - rest_of(w[2], w[3]));
        }
        for (int j = 0; j < 4; j++)
            p->weights[4 * o + j] = w[ppq_q8_order[order][j]];
    }
    p->weights += 4 * columns;
}

static void pack_block(const ppq_q8_conv *k, int64_t g, int64_t b, parts *p)
{
    for (int order = 0; order < PPQ_Q8_ORDERS; order++, p->n_ordered++)
        for (int64_t i = 0; i < k->depth / 4; i++)
            if (order_of(k, p->marks, i) == order) {
                *p->four_at++ = (int32_t) four_at(k, i);
                ++*p->n_ordered;
                pack_four(k, g, b, i, order, p);
            }
}

static void pack_rest(const ppq_q8_conv *k, int64_t g, int64_t v, int64_t i, int8_t *dst)
{
    for (int64_t o = 0; o < channels_of(k, v); o++) {
        int8_t w[4];
        four_of(k, weights_of(k, g, v), o, i, w);
        dst[4 * o + 1] = (int8_t) rest_of(w[0], w[1]);
        dst[4 * o + 3] = (int8_t) rest_of(w[2], w[3]);
    }
}

static void pack_rests(const ppq_q8_conv *k, int64_t g, int64_t b, parts *p)
{
    int32_t n = *p->first_rest;
    for (int64_t v = 0; v < 2; v++) {
        for (int64_t i = 0; i < k->depth / 4; i++)
            if (has_rest(k, p->marks, v, i)) {
                p->rest_at[n] = (int32_t) four_at(k, i);
                pack_rest(k, g, 2 * b + v, i, p->rests + n++ * 4 * lanes(k));
            }
        *++p->first_rest = n;
    }
}

void ppq_q8_conv_pack(ppq_q8_conv *k, const double *scale, const float *bias, void *memory)
{
    const ppq_q8_conv_desc *c = &k->desc;
    const double unit = k->last == 1 ? (double) c->dst_scale : 1;
    parts p = divide_memory(k, memory);
    memset(memory, 0, p.bytes);
    k->scale = p.scale;
    k->bias = p.bias;
    k->offset = p.offset;
    k->rest_at = p.rest_at;
    k->first_rest = p.first_rest;
    k->four_at = p.four_at;
    k->n_ordered = p.n_ordered;
    k->weights = p.weights;
    k->rests = p.rests;
    for (int64_t g = 0; g < c->groups; g++)
        for (int64_t b = 0; b < k->n_blocks; b++) {
            const int64_t first = g * c->out + b * k->loops->columns;
            mark_block(k, g, b, p.marks);
            pack_rests(k, g, b, &p);
            pack_block(k, g, b, &p);
            for (int64_t o = 0; o < k->loops->columns && o < c->out - b * k->loops->columns; o++) {
                p.scale[o] = (float) (scale[first + o] / unit);
                p.bias[o] = bias ? (float) ((double) bias[first + o] / unit) : 0;
            }
            p.scale += k->loops->columns;
            p.bias += k->loops->columns;
            p.offset += k->loops->columns;
        }
}

// ---- running --------------------------------------------------------------------------------

// Whether strips are the image itself: then nothing is copied. Its last pixel must be whole fours.
static bool reads_in_place(const ppq_q8_conv *k)
{
    const ppq_q8_conv_desc *c = &k->desc;
    return k->skips && c->win.src_size[1] == 1 && c->win.stride[0] == 1 && c->groups == 1 &&
           k->pixel == c->in;
}

size_t ppq_q8_conv_scratch(const ppq_q8_conv *k)
{
    // The last four of a group may read beyond its channels.
    const size_t n = (size_t) (src_rows(k, k->rows) * k->width * k->pixel) + 4;
    return reads_in_place(k) ? 0 : (n + 63) / 64 * 64;
}

int64_t ppq_q8_conv_units(const ppq_q8_conv *k)
{
    return k->desc.batch * k->n_strips * k->n_parts;
}

static void fill(const ppq_q8_conv *k, uint8_t *dst, int64_t n)
{
    if (n > 0)
        memset(dst, k->desc.src_zero, (size_t) n);
}

// Pixels [x, x + n) of a row of the image that are inside of it, `by` apart; the others are zero
// points.
static void copy_row(const ppq_q8_conv *k, const uint8_t *row, int64_t x, int64_t n, int64_t by,
                     uint8_t *dst)
{
    const ppq_q8_conv_desc *c = &k->desc;
    const int64_t channels = c->groups * c->in, width = c->win.src_size[1];
    const int64_t lo = PPQ_MIN(PPQ_MAX(-x, 0), n);
    const int64_t hi = PPQ_MAX(lo, by > 1 ? n : PPQ_MIN(n, width - x));
    fill(k, dst, lo * k->pixel);
    if (channels == k->pixel && by == 1) {
        if (hi > lo)
            memcpy(dst + lo * k->pixel, row + (x + lo) * channels, (size_t) ((hi - lo) * channels));
    } else {
        for (int64_t i = lo; i < hi; i++) {
            memcpy(dst + i * k->pixel, row + (x + i * by) * channels, (size_t) channels);
            fill(k, dst + i * k->pixel + channels, k->pixel - channels);
        }
    }
    fill(k, dst + hi * k->pixel, (n - hi) * k->pixel);
}

static void copy_strip(const ppq_q8_conv *k, const uint8_t *image, int64_t y, int64_t rows,
                       uint8_t *strip)
{
    const ppq_q8_conv_desc *c = &k->desc;
    const ppq_window_2d *w = &c->win;
    const int64_t bytes = w->src_size[1] * c->groups * c->in;
    for (int64_t r = 0; r < src_rows(k, rows); r++, strip += k->width * k->pixel) {
        const int64_t at = k->skips ? (y + r) * w->stride[0] : y * w->stride[0] - w->pad_lo[0] + r;
        if (at < 0 || at >= w->src_size[0])
            fill(k, strip, k->width * k->pixel);
        else
            copy_row(k, image + at * bytes, -w->pad_lo[1], k->width, k->skips ? w->stride[1] : 1,
                     strip);
    }
    fill(k, strip, 4);
}

void ppq_q8_conv_run(const ppq_q8_conv *k, const uint8_t *src, void *dst, void *scratch,
                     int64_t unit_lo, int64_t unit_hi)
{
    const ppq_q8_conv_desc *c = &k->desc;
    const int64_t image = ppq_window_2d_src_pixels(&c->win) * c->groups * c->in;
    const bool in_place = reads_in_place(k);
    int64_t there = -1; // the strip in scratch memory
    for (int64_t u = unit_lo; u < unit_hi; u++) {
        const int64_t part = u % k->n_parts, s = u / k->n_parts;
        const int64_t n = s / k->n_strips, y = s % k->n_strips * k->rows;
        const int64_t rows = PPQ_MIN(k->rows, c->win.dst_size[0] - y);
        if (s != there && !in_place)
            copy_strip(k, src + n * image, y, rows, scratch);
        there = s;
        k->loops->strip(k, in_place ? src + n * image + y * c->in : scratch, dst, n, y, rows,
                        part * k->n_blocks / k->n_parts, (part + 1) * k->n_blocks / k->n_parts);
    }
}
