#include "executor/engine/kernels/winograd_loops.h"

#include "executor/engine/kernels/conv_ends.h"
#include "executor/engine/kernels/float_tile.h"

enum { OUT = PPQ_WINOGRAD_OUT, IN = PPQ_WINOGRAD_IN, POSITIONS = PPQ_WINOGRAD_POSITIONS };

typedef struct spot {
    int64_t image, y, x; // of the tile's first result
} spot;

static spot find(const ppq_winograd *k, int64_t tile)
{
    const int64_t line = tile / k->across;
    return (spot){ line / k->down, line % k->down * OUT, tile % k->across * OUT };
}

// ---- inputs ---------------------------------------------------------------------------------

// B' d: along one side of a tile. Elements are `step` apart.
V_INLINE void transform_in(const vf *d, int step, vf o[IN])
{
    const vf d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
    const vf d5 = d[5 * step], four = vf_set(4), five = vf_set(-5), two = vf_set(2);
    const vf a = vf_fma(vf_set(-4), d2, d4), b = vf_fma(vf_set(-4), d1, d3);
    const vf c = vf_sub(d4, d2), e = vf_mul(two, vf_sub(d3, d1));
    o[0] = vf_fma(four, d0, vf_fma(five, d2, d4));
    o[1] = vf_add(a, b);
    o[2] = vf_sub(a, b);
    o[3] = vf_add(c, e);
    o[4] = vf_sub(c, e);
    o[5] = vf_fma(four, d1, vf_fma(five, d3, d5));
}

// One vector of channels of one tile, n of them real.
V_INLINE void gather_vector(const float *const at[POSITIONS], int64_t channel, int64_t n, float *to,
                            int64_t plane)
{
    vf half[POSITIONS];
    for (int i = 0; i < IN; i++) {
        vf d[IN];
        for (int j = 0; j < IN; j++) {
            const float *p = at[i * IN + j] + channel;
            d[j] = n == V_LANES ? vf_load(p) : vf_load_part(p, n);
        }
        transform_in(d, 1, half + i * IN);
    }
    for (int j = 0; j < IN; j++) {
        vf o[IN];
        transform_in(half + j, IN, o);
        for (int i = 0; i < IN; i++)
            vf_store(to + (i * IN + j) * plane + channel, o[i]);
    }
}

static void gather(const ppq_winograd *k, const float *src, int64_t lo, int64_t hi, float *to)
{
    const ppq_float_conv *c = &k->desc;
    const int64_t height = c->win.src_size[0], width = c->win.src_size[1];
    for (int64_t t = lo; t < hi; t++, to += k->src_row) {
        const spot s = find(k, t);
        const float *image = src + s.image * height * width * c->in, *at[POSITIONS];
        for (int p = 0; p < POSITIONS; p++) {
            const int64_t y = s.y - c->win.pad_lo[0] + p / IN, x = s.x - c->win.pad_lo[1] + p % IN;
            const bool inside = y >= 0 && y < height && x >= 0 && x < width;
            at[p] = inside ? image + (y * width + x) * c->in : k->zeros;
        }
        int64_t i = 0;
        for (; i + V_LANES <= c->in; i += V_LANES)
            gather_vector(at, i, V_LANES, to, k->src_plane);
        if (i < c->in)
            gather_vector(at, i, c->in - i, to, k->src_plane);
    }
}

// ---- products -------------------------------------------------------------------------------

static void multiply_rows(const ppq_winograd *k, const float *from, int64_t n, const float *weights,
                          float *to)
{
    const float *row[TILE_ROWS];
    for (int r = 0; r < TILE_ROWS; r++)
        row[r] = from + (r < n ? r : 0) * k->src_row;
    tile_sums s;
    tile_begin(&s, TILE_VECTORS, NULL);
    tile_add(&s, TILE_VECTORS, row, weights, k->desc.in);
    tile_store(&s, TILE_VECTORS, n, TILE_COLUMNS, to, k->dst_row);
}

// A block's weights stay in the cache for all tiles.
static void multiply(const ppq_winograd *k, const float *from, int64_t n, float *to)
{
    const float *weights = k->weights;
    for (int p = 0; p < POSITIONS; p++, from += k->src_plane, to += k->dst_plane)
        for (int64_t b = 0; b < k->n_blocks; b++, weights += k->block_floats)
            for (int64_t t = 0; t < n; t += TILE_ROWS)
                multiply_rows(k, from + t * k->src_row, n - t, weights,
                              to + t * k->dst_row + b * TILE_COLUMNS);
}

// ---- results --------------------------------------------------------------------------------

// A' m.
V_INLINE void transform_out(const vf *m, int step, vf o[OUT])
{
    const vf m1 = m[step], m2 = m[2 * step], m3 = m[3 * step], m4 = m[4 * step];
    const vf a = vf_add(m1, m2), b = vf_sub(m1, m2), c = vf_add(m3, m4), d = vf_sub(m3, m4);
    o[0] = vf_add(m[0], vf_add(a, c));
    o[1] = vf_fma(vf_set(2), d, b);
    o[2] = vf_fma(vf_set(4), c, a);
    o[3] = vf_add(vf_fma(vf_set(8), d, b), m[5 * step]);
}

V_INLINE void store_end(const ppq_float_conv *c, vf x, float *dst, int64_t n)
{
    for (int i = 0; i < c->n_end; i++) {
        const ppq_conv_end *e = &c->end[i];
        if (e->kind == PPQ_CONV_END_ADD)
            x = vf_add(x, n == V_LANES ? vf_load(dst) : vf_load_part(dst, n));
        else if (e->kind == PPQ_CONV_END_RELU)
            x = end_relu(x, e->a);
        else
            x = end_clip(x, e->a, e->b);
    }
    if (n == V_LANES)
        vf_store(dst, x);
    else
        vf_store_part(dst, x, n);
}

typedef struct place {
    float *dst; // the tile's first element
    int64_t rows, columns, row_step;
} place;

// One vector of channels of one tile, n of them real.
V_INLINE void scatter_vector(const ppq_winograd *k, const float *from, int64_t channel, int64_t n,
                             const place *to)
{
    vf half[OUT * IN];
    from += channel;
    for (int j = 0; j < IN; j++) {
        vf m[IN], o[OUT];
        for (int i = 0; i < IN; i++)
            m[i] = vf_load(from + (i * IN + j) * k->dst_plane);
        transform_out(m, 1, o);
        for (int i = 0; i < OUT; i++)
            half[i * IN + j] = o[i];
    }
    const vf bias = vf_load(k->bias + channel);
    for (int i = 0; i < OUT && i < to->rows; i++) {
        vf o[OUT];
        transform_out(half + i * IN, 1, o);
        float *dst = to->dst + i * to->row_step + channel;
        for (int j = 0; j < OUT && j < to->columns; j++)
            store_end(&k->desc, vf_add(o[j], bias), dst + j * k->desc.out, n);
    }
}

static void scatter(const ppq_winograd *k, const float *from, int64_t lo, int64_t hi, float *dst)
{
    const ppq_float_conv *c = &k->desc;
    const int64_t height = c->win.dst_size[0], width = c->win.dst_size[1];
    for (int64_t t = lo; t < hi; t++, from += k->dst_row) {
        const spot s = find(k, t);
        const place to = { dst + ((s.image * height + s.y) * width + s.x) * c->out, height - s.y,
                           width - s.x, width * c->out };
        int64_t i = 0;
        for (; i + V_LANES <= c->out; i += V_LANES)
            scatter_vector(k, from, i, V_LANES, &to);
        if (i < c->out)
            scatter_vector(k, from, i, c->out - i, &to);
    }
}

const ppq_winograd_loops PPQ_LOOPS(ppq_winograd_loops) = { V_LANES, TILE_VECTORS, TILE_ROWS,
                                                           gather,  multiply,     scatter };
