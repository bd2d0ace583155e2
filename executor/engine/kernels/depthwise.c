#include "executor/engine/kernels/depthwise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "executor/engine/kernels/depthwise_loops.h"

// Whether every result is small enough for int32, so that vectors may be rounded before they are
// clamped.
static bool bounded(const ppq_depthwise_desc *c)
{
    const int64_t n = ppq_window_2d_taps(&c->win);
    for (int64_t i = 0; i < c->channels; i++) {
        int64_t sum = 0;
        for (int64_t t = 0; t < n; t++)
            sum += abs(c->weights[i * n + t]);
        const double scale =
            (double) c->src.scale * (double) c->wei_scale[c->n_wei_scale == 1 ? 0 : i];
        const double bias = c->bias ? fabs((double) c->bias[i]) : 0;
        if (!(255 * (double) sum * fabs(scale) + bias < 1e9 * (double) c->dst.scale))
            return false;
    }
    return true;
}

// The widest loops whose block is not wider than the image is deep.
static const ppq_depthwise_loops *choose(ppq_isa isa, int64_t channels)
{
    while (isa > PPQ_ISA_PORTABLE && ppq_depthwise_block(ppq_depthwise_loops_pick(isa)) > channels)
        isa = (ppq_isa) (isa - 1);
    return ppq_depthwise_loops_pick(isa);
}

static bool can_walk(const ppq_depthwise_desc *c, const ppq_depthwise_loops *l)
{
    const ppq_window_2d *w = &c->win;
    return l->walks && w->kernel[0] == 3 && w->kernel[1] == 3 && w->dilation[1] == 1 &&
           (w->stride[1] == 1 || w->stride[1] == 2);
}

// Taps in the order in which the loops take them: row by row, or column by column with a fourth
// one that is none. Returns how many; `tap` may be NULL.
static int64_t order_taps(const ppq_depthwise_desc *c, bool walk, int group, ppq_depthwise_tap *tap)
{
    const ppq_window_2d *w = &c->win;
    const int64_t height = w->kernel[0], width = w->kernel[1];
    const int64_t dense = walk ? 12 : height * width;
    const int64_t n = (dense + group - 1) / group * group;
    for (int64_t t = 0; tap && t < n; t++) {
        const int64_t y = walk ? t % 4 : t / width, x = walk ? t / 4 : t % width;
        tap[t] = y < height ? (ppq_depthwise_tap){ y * w->dilation[0], x * w->dilation[1] }
                            : (ppq_depthwise_tap){ -1, 0 };
    }
    return n;
}

static int weight_of(const ppq_depthwise_desc *c, int64_t channel, const ppq_depthwise_tap *tap)
{
    if (tap->y < 0 || channel >= c->channels)
        return 0;
    const ppq_window_2d *w = &c->win;
    const int64_t y = tap->y / w->dilation[0], x = tap->x / w->dilation[1];
    return c->weights[(channel * w->kernel[0] + y) * w->kernel[1] + x];
}

// Channel of lane i of part p of block b.
static int64_t channel_of(const ppq_depthwise *k, int64_t b, int64_t p, int64_t i)
{
    const int64_t group = k->loops->group;
    return ppq_depthwise_first(k, b, ppq_depthwise_block(k->loops)) + i / 4 * 4 * group + 4 * p +
           i % 4;
}

static void store_weight(void *weights, int64_t at, int group, int w)
{
    if (group == 1)
        ((int32_t *) weights)[at] = w;
    else if (group == 2)
        ((int16_t *) weights)[at] = (int16_t) w;
    else
        ((int8_t *) weights)[at] = (int8_t) w;
}

static void pack_weights(const ppq_depthwise *k, const ppq_depthwise_desc *c, int64_t b,
                         void *weights)
{
    const int group = k->loops->group;
    int64_t at = 0;
    for (int64_t t = 0; t < k->n_taps; t += group)
        for (int p = 0; p < group; p++)
            for (int i = 0; i < k->loops->lanes; i++)
                for (int g = 0; g < group; g++)
                    store_weight(weights, at++, group,
                                 weight_of(c, channel_of(k, b, p, i), &k->tap[t + g]));
}

static void pack_block(const ppq_depthwise *k, const ppq_depthwise_desc *c, int32_t src_zero,
                       int64_t b)
{
    const int64_t block = ppq_depthwise_block(k->loops);
    const double unit = c->to_float ? 1 : (double) c->dst.scale;
    int32_t *start = (void *) (k->packed + b * k->block_bytes);
    float *scale = (float *) (void *) (start + block), *bias = scale + block;
    for (int64_t at = 0; at < block; at++) {
        const int64_t channel = channel_of(k, b, at / k->loops->lanes, at % k->loops->lanes);
        if (channel >= c->channels)
            continue;
        int32_t sum = 0;
        for (int64_t t = 0; t < k->n_taps; t++)
            sum += weight_of(c, channel, &k->tap[t]);
        const float w = c->wei_scale[c->n_wei_scale == 1 ? 0 : channel];
        start[at] = -src_zero * sum;
        scale[at] = (float) ((double) c->src.scale * (double) w / unit);
        bias[at] = c->bias ? (float) ((double) c->bias[channel] / unit) : 0;
    }
    pack_weights(k, c, b, bias + block);
}

static size_t aligned(size_t n)
{
    return (n + 63) / 64 * 64;
}

// One piece of memory, cut into the arrays of k.
static ppq_status allocate(const ppq_depthwise *head, ppq_depthwise **out)
{
    const size_t taps = aligned((size_t) head->n_taps * sizeof(ppq_depthwise_tap));
    const size_t packed = aligned((size_t) (head->n_blocks * head->block_bytes));
    const size_t outside = aligned((size_t) (head->win.src_size[1] * head->channels));
    const size_t struct_size = aligned(sizeof(*head));
    uint8_t *p = aligned_alloc(64, struct_size + taps + packed + outside);
    if (!p)
        return PPQ_ERR_NOMEM;
    memset(p, 0, struct_size + taps + packed);
    ppq_depthwise *k = (void *) p;
    *k = *head;
    k->tap = (void *) (p += struct_size);
    k->packed = p += taps;
    k->outside = p += packed;
    *out = k;
    return PPQ_OK;
}

ppq_status ppq_depthwise_prepare(const ppq_depthwise_desc *desc, ppq_isa isa, ppq_depthwise **out,
                                 ppq_diag *d)
{
    const int64_t n_taps = ppq_window_2d_taps(&desc->win);
    if (n_taps > PPQ_DEPTHWISE_TAPS)
        return ppq_fail(d, PPQ_ERR_UNSUPPORTED, (ppq_loc){ 0 },
                        "a depthwise kernel of %lld x %lld has more than %d weights per channel",
                        (long long) desc->win.kernel[0], (long long) desc->win.kernel[1],
                        PPQ_DEPTHWISE_TAPS);
    assert(desc->channels > 0 && n_taps > 0);
    assert(desc->n_wei_scale == 1 || desc->n_wei_scale == desc->channels);
    const ppq_q8_raw src = ppq_q8_to_raw(&desc->src);
    const ppq_q8_raw dst = desc->to_float ? (ppq_q8_raw){ 0 } : ppq_q8_to_raw(&desc->dst);
    const ppq_depthwise_loops *loops =
        choose(desc->to_float || bounded(desc) ? isa : PPQ_ISA_PORTABLE, desc->channels);
    const int64_t block = ppq_depthwise_block(loops);
    ppq_depthwise head = {
        .loops = loops,
        .channels = desc->channels,
        .win = desc->win,
        .reach = ppq_window_2d_extent(&desc->win, 1) - 1,
        .n_blocks = (desc->channels + block - 1) / block,
        .walk = can_walk(desc, loops),
        .to_float = desc->to_float,
        .src_flip = src.flip,
        .dst = dst,
        .lo = desc->to_float ? desc->lo : (float) (dst.qmin - dst.zero),
        .hi = desc->to_float ? desc->hi : (float) (dst.qmax - dst.zero),
    };
    head.n_taps = order_taps(desc, head.walk, loops->group, NULL);
    head.block_bytes = 4 * block * (3 + head.n_taps / loops->group);
    ppq_depthwise *k;
    if (allocate(&head, &k) != PPQ_OK)
        return ppq_fail(d, PPQ_ERR_NOMEM, (ppq_loc){ 0 },
                        "no memory for the weights of a depthwise convolution of %lld channels",
                        (long long) desc->channels);
    order_taps(desc, k->walk, loops->group, k->tap);
    for (int64_t b = 0; b < k->n_blocks; b++)
        pack_block(k, desc, src.zero, b);
    memset(k->outside, desc->src.zero, (size_t) (k->win.src_size[1] * k->channels));
    *out = k;
    return PPQ_OK;
}

void ppq_depthwise_destroy(ppq_depthwise *k)
{
    free(k);
}

void ppq_depthwise_run(const ppq_depthwise *k, const void *src, void *dst, int64_t row_lo,
                       int64_t row_hi)
{
    const int64_t src_bytes = ppq_window_2d_src_pixels(&k->win) * k->channels;
    const size_t row_bytes =
        (size_t) (k->win.dst_size[1] * k->channels) * (k->to_float ? sizeof(float) : 1);
    for (int64_t r = row_lo; r < row_hi; r++)
        k->loops->row(k, (const uint8_t *) src + r / k->win.dst_size[0] * src_bytes,
                      (uint8_t *) dst + (size_t) r * row_bytes, r % k->win.dst_size[0]);
}
