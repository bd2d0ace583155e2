#include "executor/engine/kernels/winograd.h"

#include <assert.h>
#include <string.h>

#include "executor/engine/kernels/winograd_loops.h"

enum {
    OUT = PPQ_WINOGRAD_OUT,
    IN = PPQ_WINOGRAD_IN,
    POSITIONS = PPQ_WINOGRAD_POSITIONS,
    PANEL_BYTES = 1 << 20, // of scratch memory
    LEAST_PANEL = 96,      // tiles for which weights are worth being read
    LINE = 16,             // floats
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t round_up(int64_t a, int64_t b)
{
    return ceil_div(a, b) * b;
}

bool ppq_winograd_can(const ppq_float_conv *c)
{
    const ppq_window_2d *w = &c->win;
    bool can = c->groups == 1;
    for (int i = 0; i < 2; i++)
        can = can && w->kernel[i] == 3 && w->stride[i] == 1 && w->dilation[i] == 1;
    return can;
}

static int64_t block(const ppq_winograd *k)
{
    return (int64_t) k->loops->lanes * k->loops->vectors;
}

void ppq_winograd_init(ppq_winograd *k, const ppq_float_conv *desc, ppq_isa isa, int n_threads)
{
    assert(ppq_winograd_can(desc) && desc->n_end <= PPQ_CONV_ENDS);
    *k = (ppq_winograd){ .desc = *desc, .loops = ppq_winograd_loops_pick(isa) };
    k->across = ceil_div(desc->win.dst_size[1], OUT);
    k->down = ceil_div(desc->win.dst_size[0], OUT);
    k->n_tiles = desc->batch * k->across * k->down;
    k->n_blocks = ceil_div(desc->out, block(k));
    k->block_floats = desc->in * block(k);
    k->src_row = round_up(desc->in, k->loops->lanes);
    k->dst_row = k->n_blocks * block(k);
    const int64_t bytes = POSITIONS * (k->src_row + k->dst_row) * (int64_t) sizeof(float);
    const int64_t most =
        round_up(PPQ_MAX(PANEL_BYTES / bytes, (int64_t) LEAST_PANEL), k->loops->rows);
    const int64_t pieces = round_up(ceil_div(k->n_tiles, most), n_threads);
    k->panel = round_up(ceil_div(k->n_tiles, pieces), k->loops->rows);
    k->n_panels = ceil_div(k->n_tiles, k->panel);
    // An odd number of cache lines apart, positions do not push each other out of the cache.
    k->src_plane = (round_up(k->panel * k->src_row, 2 * LINE)) + LINE;
    k->dst_plane = (round_up(k->panel * k->dst_row, 2 * LINE)) + LINE;
}

// ---- weights --------------------------------------------------------------------------------

int64_t ppq_winograd_floats(const ppq_winograd *k)
{
    return k->dst_row + k->src_row + POSITIONS * k->n_blocks * k->block_floats;
}

// G w G' of one 3x3 window.
static void transform(const float *w, double out[IN][IN])
{
    static const double g[IN][3] = {
        { 1.0 / 4, 0, 0 },
        { -1.0 / 6, -1.0 / 6, -1.0 / 6 },
        { -1.0 / 6, 1.0 / 6, -1.0 / 6 },
        { 1.0 / 24, 1.0 / 12, 1.0 / 6 },
        { 1.0 / 24, -1.0 / 12, 1.0 / 6 },
        { 0, 0, 1 },
    };
    double half[IN][3];
    for (int i = 0; i < IN; i++)
        for (int j = 0; j < 3; j++)
            half[i][j] =
                g[i][0] * (double) w[j] + g[i][1] * (double) w[3 + j] + g[i][2] * (double) w[6 + j];
    for (int i = 0; i < IN; i++)
        for (int j = 0; j < IN; j++)
            out[i][j] = half[i][0] * g[j][0] + half[i][1] * g[j][1] + half[i][2] * g[j][2];
}

static void pack_window(const ppq_winograd *k, const float *w, int64_t out, int64_t in, float *to)
{
    const int64_t plane = k->n_blocks * k->block_floats;
    double u[IN][IN];
    transform(w, u);
    to += out / block(k) * k->block_floats + in * block(k) + out % block(k);
    for (int p = 0; p < POSITIONS; p++)
        to[p * plane] = (float) u[p / IN][p % IN];
}

bool ppq_winograd_pack(ppq_winograd *k, const float *weights, const float *bias, float *memory)
{
    const ppq_float_conv *c = &k->desc;
    float *packed = memory + k->dst_row + k->src_row;
    memset(memory, 0, (size_t) ppq_winograd_floats(k) * sizeof(float));
    if (bias)
        memcpy(memory, bias, (size_t) c->out * sizeof(float));
    for (int64_t o = 0; o < c->out; o++)
        for (int64_t i = 0; i < c->in; i++)
            pack_window(k, weights + (o * c->in + i) * 9, o, i, packed);
    k->bias = memory;
    k->zeros = memory + k->dst_row;
    k->weights = packed;
    return ppq_floats_are_finite(weights, c->out * c->in * 9);
}

// ---- running --------------------------------------------------------------------------------

size_t ppq_winograd_scratch(const ppq_winograd *k)
{
    return (size_t) (POSITIONS * (k->src_plane + k->dst_plane)) * sizeof(float);
}

int64_t ppq_winograd_units(const ppq_winograd *k)
{
    return k->n_panels;
}

void ppq_winograd_run(const ppq_winograd *k, const float *src, float *dst, int64_t unit_lo,
                      int64_t unit_hi, void *scratch)
{
    float *from = scratch, *to = from + POSITIONS * k->src_plane;
    for (int64_t u = unit_lo; u < unit_hi; u++) {
        const int64_t lo = u * k->panel, hi = PPQ_MIN(lo + k->panel, k->n_tiles);
        k->loops->gather(k, src, lo, hi, from);
        k->loops->multiply(k, from, hi - lo, to);
        k->loops->scatter(k, to, lo, hi, dst);
    }
}
