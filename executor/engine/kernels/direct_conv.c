#include "executor/engine/kernels/direct_conv.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "executor/engine/kernels/direct_conv_loops.h"

// Weights that a chunk and pixels that a panel may bring into the second-level cache.
enum { CHUNK_BYTES = 192 << 10, PANEL_BYTES = 192 << 10 };

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t whole_block(const ppq_direct_conv *k)
{
    return (int64_t) k->loops->lanes * k->loops->vectors;
}

static int64_t n_taps(const ppq_direct_conv *k)
{
    return ppq_window_2d_taps(&k->desc.win);
}

static int64_t clamp(int64_t x, int64_t lo, int64_t hi)
{
    return PPQ_MAX(lo, PPQ_MIN(x, hi));
}

// Whatever is in the inner loop is read again for every step of the outer one.
static bool panels_come_first(const ppq_direct_conv *k)
{
    const ppq_float_conv *c = &k->desc;
    const double weights = (double) (k->n_blocks * k->block_floats);
    const double image = (double) (c->batch * ppq_window_2d_src_pixels(&c->win) * c->in);
    return weights * (double) k->n_panels < image * (double) k->n_chunks;
}

void ppq_direct_conv_init(ppq_direct_conv *k, const ppq_float_conv *desc, ppq_isa isa)
{
    *k = (ppq_direct_conv){ .desc = *desc, .loops = ppq_direct_conv_loops_pick(isa) };
    assert(n_taps(k) > 0 && n_taps(k) <= PPQ_DIRECT_CONV_TAPS);
    assert(desc->in > 0 && desc->out > 0 && desc->n_end <= PPQ_CONV_ENDS);
    k->n_pixels = desc->batch * ppq_window_2d_dst_pixels(&desc->win);
    k->n_tiles = ceil_div(k->n_pixels, PPQ_CONV_PIXELS);
    k->n_blocks = ceil_div(desc->out, whole_block(k));
    k->block_floats = n_taps(k) * desc->in * whole_block(k);
    const int64_t size = (int64_t) sizeof(float);
    const int64_t pixel = desc->in * desc->win.stride[0] * desc->win.stride[1] * size;
    k->panel = clamp(PANEL_BYTES / (pixel * PPQ_CONV_PIXELS), 1, k->n_tiles);
    k->chunk = clamp(CHUNK_BYTES / (k->block_floats * size), 1, k->n_blocks);
    k->n_panels = ceil_div(k->n_tiles, k->panel);
    k->n_chunks = ceil_div(k->n_blocks, k->chunk);
    k->panels_first = panels_come_first(k);
}

// ---- weights --------------------------------------------------------------------------------

static int64_t bias_floats(const ppq_direct_conv *k)
{
    return k->desc.groups * k->n_blocks * whole_block(k);
}

static int64_t zero_floats(const ppq_direct_conv *k)
{
    return k->desc.in * k->desc.win.kernel[1];
}

int64_t ppq_direct_conv_floats(const ppq_direct_conv *k)
{
    return bias_floats(k) + zero_floats(k) + k->desc.groups * k->n_blocks * k->block_floats;
}

// `first` is the block's first channel, counted through all groups.
static void pack_block(const ppq_direct_conv *k, const float *weights, int64_t first, int64_t b,
                       float *to)
{
    const int64_t taps = n_taps(k), in = k->desc.in, width = ppq_direct_conv_width(k, b);
    const int64_t lanes = ppq_direct_conv_vectors(k, b) * k->loops->lanes;
    for (int64_t t = 0; t < taps; t++)
        for (int64_t i = 0; i < in; i++, to += lanes)
            for (int64_t l = 0; l < width; l++)
                to[l] = weights[((first + l) * in + i) * taps + t];
}

bool ppq_direct_conv_pack(ppq_direct_conv *k, const float *weights, const float *bias,
                          float *memory)
{
    const ppq_float_conv *c = &k->desc;
    float *biases = memory, *packed = memory + bias_floats(k) + zero_floats(k);
    memset(memory, 0, (size_t) ppq_direct_conv_floats(k) * sizeof(float));
    for (int64_t g = 0; g < c->groups; g++)
        for (int64_t b = 0; b < k->n_blocks; b++) {
            const int64_t at = g * k->n_blocks + b, first = g * c->out + b * whole_block(k);
            pack_block(k, weights, first, b, packed + at * k->block_floats);
            if (bias)
                memcpy(biases + at * whole_block(k), bias + first,
                       (size_t) ppq_direct_conv_width(k, b) * sizeof(float));
        }
    k->bias = memory;
    k->zeros = memory + bias_floats(k);
    k->weights = packed;
    return ppq_floats_are_finite(weights, c->groups * c->out * c->in * n_taps(k));
}

// ---- running --------------------------------------------------------------------------------

int64_t ppq_direct_conv_units(const ppq_direct_conv *k)
{
    return k->desc.groups * k->n_chunks * k->n_panels;
}

void ppq_direct_conv_run(const ppq_direct_conv *k, const float *src, float *dst, int64_t unit_lo,
                         int64_t unit_hi)
{
    const int64_t chunks = k->desc.groups * k->n_chunks;
    for (int64_t u = unit_lo; u < unit_hi; u++) {
        const int64_t p = k->panels_first ? u / chunks : u % k->n_panels;
        const int64_t c = k->panels_first ? u % chunks : u / k->n_panels;
        const int64_t tile = p * k->panel, block = c % k->n_chunks * k->chunk;
        k->loops->tiles(k, src, dst, c / k->n_chunks, tile, PPQ_MIN(tile + k->panel, k->n_tiles),
                        block, PPQ_MIN(block + k->chunk, k->n_blocks));
    }
}
