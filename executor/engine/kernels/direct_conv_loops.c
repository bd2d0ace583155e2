#include "executor/engine/kernels/direct_conv_loops.h"

#include "executor/engine/kernels/conv_ends.h"
#include "executor/engine/kernels/float_tile.h"

static_assert((int) TILE_ROWS == (int) PPQ_CONV_PIXELS, "a tile is a row per pixel");

// ---- where the pixels of a tile find their inputs -------------------------------------------

// Runs of inputs that lie next to each other: a kernel's tap, or, where all windows are inside of
// their rows, a row of taps.
typedef struct runs {
    const float *at[PPQ_DIRECT_CONV_TAPS][TILE_ROWS];
    int64_t tap[PPQ_DIRECT_CONV_TAPS]; // the first one
    int64_t n, taps;                   // runs, and taps of each
} runs;

typedef struct spot {
    const float *image;
    int64_t y, x; // of the window's beginning
} spot;

// Pixels beyond the last stand for the last.
static void find(const ppq_direct_conv *k, const float *src, int64_t tile, spot s[TILE_ROWS])
{
    const ppq_float_conv *c = &k->desc;
    const ppq_window_2d *w = &c->win;
    const int64_t image = ppq_window_2d_src_pixels(w) * c->in * c->groups;
    int64_t pixel = tile * TILE_ROWS;
    int64_t x = pixel % w->dst_size[1], y = pixel / w->dst_size[1] % w->dst_size[0];
    int64_t n = pixel / w->dst_size[1] / w->dst_size[0];
    for (int r = 0; r < TILE_ROWS; r++, pixel++) {
        s[r] = (spot){ src + n * image, y * w->stride[0] - w->pad_lo[0],
                       x * w->stride[1] - w->pad_lo[1] };
        if (pixel + 1 >= k->n_pixels || ++x < w->dst_size[1])
            continue;
        x = 0;
        if (++y == w->dst_size[0]) {
            y = 0;
            n++;
        }
    }
}

static bool are_inside(const ppq_float_conv *c, const spot s[TILE_ROWS])
{
    bool inside = c->groups == 1 && c->win.dilation[1] == 1;
    for (int r = 0; r < TILE_ROWS; r++)
        inside = inside && s[r].x >= 0 && s[r].x + c->win.kernel[1] <= c->win.src_size[1];
    return inside;
}

// Taps that are outside for all pixels are left out.
static void point(const ppq_direct_conv *k, const float *src, int64_t tile, runs *t)
{
    const ppq_float_conv *c = &k->desc;
    const ppq_window_2d *w = &c->win;
    const int64_t channels = c->in * c->groups;
    spot s[TILE_ROWS];
    find(k, src, tile, s);
    const bool rows = are_inside(c, s);
    const int64_t columns = rows ? 1 : w->kernel[1];
    t->n = 0;
    t->taps = rows ? w->kernel[1] : 1;
    for (int64_t i = 0; i < w->kernel[0]; i++)
        for (int64_t j = 0; j < columns; j++) {
            bool any = false;
            for (int r = 0; r < TILE_ROWS; r++) {
                const int64_t y = s[r].y + i * w->dilation[0], x = s[r].x + j * w->dilation[1];
                const bool is = y >= 0 && y < w->src_size[0] && x >= 0 && x < w->src_size[1];
                t->at[t->n][r] = is ? s[r].image + (y * w->src_size[1] + x) * channels : k->zeros;
                any |= is;
            }
            t->tap[t->n] = i * w->kernel[1] + j;
            t->n += any;
        }
}

// ---- what is done to sums -------------------------------------------------------------------

V_INLINE void add(tile_sums *s, int vectors, int64_t rows, int64_t columns, const float *src,
                  int64_t stride)
{
    const int whole = (int) (columns / V_LANES);
    for (int r = 0; r < TILE_ROWS && r < rows; r++, src += stride)
        for (int v = 0; v < vectors; v++) {
            const float *at = src + v * V_LANES;
            const vf x = v < whole ? vf_load(at) : vf_load_part(at, columns % V_LANES);
            s->v[r][v] = vf_add(s->v[r][v], x);
        }
}

V_INLINE void relu(tile_sums *s, int vectors, float slope)
{
    for (int r = 0; r < TILE_ROWS; r++)
        for (int v = 0; v < vectors; v++)
            s->v[r][v] = end_relu(s->v[r][v], slope);
}

V_INLINE void clip(tile_sums *s, int vectors, float lo, float hi)
{
    for (int r = 0; r < TILE_ROWS; r++)
        for (int v = 0; v < vectors; v++)
            s->v[r][v] = end_clip(s->v[r][v], lo, hi);
}

// ---- tiles ----------------------------------------------------------------------------------

typedef struct place {
    float *dst; // the tile's first element
    int64_t pixels, channels, stride;
} place;

V_INLINE void one_tile(const ppq_direct_conv *k, int vectors, const runs *t, const float *weights,
                       const float *bias, const place *to)
{
    const ppq_float_conv *c = &k->desc;
    tile_sums s;
    tile_begin(&s, vectors, bias);
    for (int64_t i = 0; i < t->n; i++)
        tile_add(&s, vectors, t->at[i], weights + t->tap[i] * c->in * vectors * V_LANES,
                 t->taps * c->in);
    for (int i = 0; i < c->n_end; i++) {
        const ppq_conv_end *e = &c->end[i];
        if (e->kind == PPQ_CONV_END_ADD)
            add(&s, vectors, to->pixels, to->channels, to->dst, to->stride);
        else if (e->kind == PPQ_CONV_END_RELU)
            relu(&s, vectors, e->a);
        else
            clip(&s, vectors, e->a, e->b);
    }
    tile_store(&s, vectors, to->pixels, to->channels, to->dst, to->stride);
}

// Levels with fewer vectors never ask for more.
#define TILE(n)                                                                   \
    static void tile_##n(const ppq_direct_conv *k, const runs *t, const float *w, \
                         const float *bias, const place *to)                      \
    {                                                                             \
        one_tile(k, PPQ_MIN(n, (int) TILE_VECTORS), t, w, bias, to);              \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)

static void (*const tile_of[])(const ppq_direct_conv *k, const runs *t, const float *w,
                               const float *bias,
                               const place *to) = { tile_1, tile_2, tile_3, tile_4 };

static void tiles(const ppq_direct_conv *k, const float *src, float *dst, int64_t group,
                  int64_t tile_lo, int64_t tile_hi, int64_t block_lo, int64_t block_hi)
{
    const ppq_float_conv *c = &k->desc;
    const int64_t channels = c->out * c->groups, base = group * k->n_blocks;
    runs t;
    for (int64_t i = tile_lo; i < tile_hi; i++) {
        const int64_t pixel = i * TILE_ROWS;
        point(k, src + group * c->in, i, &t);
        for (int64_t b = block_lo; b < block_hi; b++) {
            const place to = { dst + pixel * channels + group * c->out + b * TILE_COLUMNS,
                               PPQ_MIN(k->n_pixels - pixel, (int64_t) TILE_ROWS),
                               ppq_direct_conv_width(k, b), channels };
            tile_of[ppq_direct_conv_vectors(k, b) - 1](k, &t,
                                                       k->weights + (base + b) * k->block_floats,
                                                       k->bias + (base + b) * TILE_COLUMNS, &to);
        }
    }
}

const ppq_direct_conv_loops PPQ_LOOPS(ppq_direct_conv_loops) = { V_LANES, TILE_VECTORS, tiles };
