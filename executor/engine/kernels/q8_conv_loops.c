#include "executor/engine/kernels/q8_conv_loops.h"

#include "executor/engine/kernels/vec.h"

enum { ROWS = PPQ_Q8_CONV_PIXELS, COLUMNS = 2 * V_LANES, TILE = ROWS * COLUMNS };

static_assert(TILE % V_BLOCK == 0, "a tile is whole blocks of bytes");

// ---- sums -----------------------------------------------------------------------------------

#define EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5)

V_INLINE vi four_at(const uint8_t *p)
{
    int32_t x;
    memcpy(&x, p, sizeof(x));
    return vi_set(x);
}

// Quantizes four vectors. A sum below the range needs no bound where the conversion of what is too
// small gives the least integer and packing clamps.
V_INLINE void to_bytes(const ppq_q8_conv *k, const vf x[4], uint8_t *dst)
{
    const vf most = vf_set((float) (255 - k->desc.dst_zero));
    const vf least = vf_set((float) -k->desc.dst_zero);
    const vi zero = vi_set(k->desc.dst_zero);
    vi q[4];
    for (int v = 0; v < 4; v++) {
        const vf y = vf_min(x[v], most);
        q[v] = vi_add(vi_round(V_LANES_ARE_WIDE ? y : vf_max(y, least)), zero);
    }
    vi_store_block(dst, q, 0);
}

// Results of a tile, one row behind the other: bytes where nothing is left to be done to them.
typedef struct results {
    float *real;
    uint8_t *bytes; // NULL: real ones
} results;

// Four vectors of sums, of columns with these scales in turns, to elements [at, at + V_BLOCK).
V_INLINE void keep(const ppq_q8_conv *k, const vi sum[4], const vf scale[2], const vf bias[2],
                   const results *to, int64_t at)
{
    vf x[4];
    for (int v = 0; v < 4; v++)
        x[v] = vf_add(vf_mul(vf_from(sum[v]), scale[v % 2]), bias[v % 2]);
    if (to->bytes) {
        to_bytes(k, x, to->bytes + at);
        return;
    }
    for (int v = 0; v < 4; v++)
        vf_store(to->real + at + v * V_LANES, x[v]);
}

// A block's own numbers; its first or second vector of columns has rests.
typedef struct block {
    const int8_t *weights, *rests[2];
    const int32_t *four_at, *n_ordered;
    const int32_t *rest_at[2];
    int64_t n_rests[2];
    const int32_t *offset;
    const float *scale, *bias;
} block;

// Sums of a tile stay in registers, each a variable of its own. `vectors`, of columns, is a
// constant. Rows of the result are vectors * V_LANES apart.
V_INLINE void sums(const ppq_q8_conv *k, int vectors, const uint8_t *const px[ROWS],
                   const block *of, const results *to)
{
    const int8_t *w = of->weights;
    const int32_t *where = of->four_at;
    const vi first = vi_load(of->offset);
    const vi second = vectors > 1 ? vi_load(of->offset + V_LANES) : first;
#define BEGIN(r) vi a##r = first, b##r = second;
    EACH_ROW(BEGIN)
#define ADD(r, x)                       \
    a##r = vi_add_fours(a##r, x, left); \
    if (vectors > 1)                    \
        b##r = vi_add_fours(b##r, x, right);
#define ADD_0(r)              \
    {                         \
        const vi x = FOUR(r); \
        ADD(r, x)             \
    }
#define ADD_1(r)                                 \
    {                                            \
        const vi x = vi_order_fours(FOUR(r), 1); \
        ADD(r, x)                                \
    }
#define ADD_2(r)                                 \
    {                                            \
        const vi x = vi_order_fours(FOUR(r), 2); \
        ADD(r, x)                                \
    }
#define FOUR(r) four_at(px[r] + at)
#define ADD_ALL(order)                                                                     \
    for (int64_t i = 0; i < of->n_ordered[order]; i++, w += 4 * vectors * V_LANES) {       \
        const vi left = vi_load(w), right = vectors > 1 ? vi_load(w + 4 * V_LANES) : left; \
        const int64_t at = *where++;                                                       \
        EACH_ROW(ADD_##order)                                                              \
    }
    ADD_ALL(0)
    ADD_ALL(1)
    ADD_ALL(2)
#define REST(r, sum) sum##r = vi_add_fours(sum##r, four_at(px[r] + at), rest);
#define REST_A(r)    REST(r, a)
#define REST_B(r)    REST(r, b)
    for (int64_t i = 0; i < of->n_rests[0]; i++) {
        const vi rest = vi_load(of->rests[0] + i * 4 * V_LANES);
        const int64_t at = of->rest_at[0][i];
        EACH_ROW(REST_A)
    }
    for (int64_t i = 0; vectors > 1 && i < of->n_rests[1]; i++) {
        const vi rest = vi_load(of->rests[1] + i * 4 * V_LANES);
        const int64_t at = of->rest_at[1][i];
        EACH_ROW(REST_B)
    }
    const vf s0 = vf_load(of->scale), s1 = vectors > 1 ? vf_load(of->scale + V_LANES) : s0;
    const vf o0 = vf_load(of->bias), o1 = vectors > 1 ? vf_load(of->bias + V_LANES) : o0;
    const vf scale[2] = { s0, s1 }, bias[2] = { o0, o1 };
    if (vectors > 1) {
        const vi all[] = { a0, b0, a1, b1, a2, b2, a3, b3, a4, b4, a5, b5 };
        for (int i = 0; i < 12; i += 4)
            keep(k, all + i, scale, bias, to, i * V_LANES);
    } else {
        const vi all[] = { a0, a1, a2, a3, a4, a5, a5, a5 };
        for (int i = 0; i < 8; i += 4)
            keep(k, all + i, scale, bias, to, i * V_LANES);
    }
}

#define SUMS(name, vectors, bytes)                                                         \
    static void name(const ppq_q8_conv *k, const uint8_t *const px[ROWS], const block *of, \
                     const results *to)                                                    \
    {                                                                                      \
        sums(k, vectors, px, of, &(results){ to->real, bytes });                           \
    }
SUMS(narrow_floats, 1, NULL)
SUMS(wide_floats, 2, NULL)
SUMS(narrow_bytes, 1, to->bytes)
SUMS(wide_bytes, 2, to->bytes)

// ---- what is done to them -------------------------------------------------------------------

// A tile in the destination: rows of `channels` elements.
typedef struct place {
    unsigned char *at;
    int64_t pixels, channels, stride; // between pixels, in elements
    int64_t columns;                  // of the tile
} place;

// Row r of the tile in the destination.
V_INLINE unsigned char *row_of(const place *to, int64_t r, size_t size)
{
    return to->at + (size_t) (r * to->stride) * size;
}

V_INLINE void copy_row(void *dst, const void *src, int64_t n)
{
    if (n == COLUMNS)
        memcpy(dst, src, COLUMNS);
    else
        memcpy(dst, src, (size_t) n);
}

// What the destination holds where elements [i, i + V_BLOCK) of the tile go.
V_INLINE void held_bytes(const place *to, int64_t i, vf x[4])
{
    uint8_t bytes[V_BLOCK] = { 0 };
    for (int64_t k = 0, r = i / to->columns; k < V_BLOCK && r < to->pixels; k += to->columns, r++)
        copy_row(bytes + k, row_of(to, r, 1), to->channels);
    for (int v = 0; v < 4; v++)
        x[v] = vf_from(vi_load_bytes(bytes + v * V_LANES));
}

V_INLINE void held_floats(const place *to, int64_t i, vf x[4])
{
    float part[V_BLOCK] = { 0 };
    for (int64_t k = 0, r = i / to->columns; k < V_BLOCK && r < to->pixels; k += to->columns, r++)
        memcpy(part + k, row_of(to, r, sizeof(float)), (size_t) to->channels * sizeof(float));
    for (int v = 0; v < 4; v++)
        x[v] = vf_load(part + v * V_LANES);
}

V_INLINE vf rounded(vf x)
{
    // Beyond these numbers all floats are integers.
    return vf_from(vi_round(vf_min(vf_max(x, vf_set(-0x1p24f)), vf_set(0x1p24f))));
}

V_INLINE vf hard_swish(vf x)
{
    const vf gate = vf_add(vf_mul(x, vf_set(1 / 6.0f)), vf_set(0.5f));
    return vf_mul(x, vf_min(vf_max(gate, vf_set(0)), vf_set(1)));
}

static void call_function(ppq_isa isa, const ppq_q8_end *e, vf x[4])
{
    float part[V_BLOCK];
    for (int v = 0; v < 4; v++)
        vf_store(part + v * V_LANES, x[v]);
    ppq_pointwise_run(isa, e->function, e->a, part, part, V_BLOCK);
    for (int v = 0; v < 4; v++)
        x[v] = vf_load(part + v * V_LANES);
}

#define EACH(y)                   \
    for (int v = 0; v < 4; v++) { \
        x[v] = y;                 \
    }                             \
    return

// Elements [i, i + V_BLOCK) of a tile.
V_INLINE void end(const ppq_q8_conv *k, const ppq_q8_end *e, const place *to, int64_t i, vf x[4])
{
    const vf a = vf_set(e->a), b = vf_set(e->b), zero = vf_set(0);
    vf held[4];
    switch (e->kind) {
    case PPQ_Q8_END_ADD:
        if (k->desc.to_float)
            held_floats(to, i, held);
        else
            held_bytes(to, i, held);
        EACH(vf_add(x[v], vf_mul(vf_sub(held[v], vf_set((float) e->zero)), a)));
    case PPQ_Q8_END_RELU:
        EACH(vf_add(vf_max(x[v], zero), vf_mul(a, vf_min(x[v], zero))));
    case PPQ_Q8_END_CLIP:
        EACH(vf_min(vf_max(x[v], a), b));
    case PPQ_Q8_END_ROUND:
        EACH(rounded(x[v]));
    case PPQ_Q8_END_LINEAR:
        EACH(vf_add(vf_mul(a, x[v]), b));
    case PPQ_Q8_END_HARD_SWISH:
        EACH(hard_swish(x[v]));
    case PPQ_Q8_END_FUNCTION:
        call_function(k->isa, e, x);
        return;
    }
}

static void finish_floats(const ppq_q8_conv *k, const place *to, float *tile)
{
    for (int64_t i = 0; k->desc.n_end && i < ROWS * to->columns; i += V_BLOCK) {
        vf x[4];
        for (int v = 0; v < 4; v++)
            x[v] = vf_load(tile + i + v * V_LANES);
        for (int e = 0; e < k->desc.n_end; e++)
            end(k, &k->desc.end[e], to, i, x);
        for (int v = 0; v < 4; v++)
            vf_store(tile + i + v * V_LANES, x[v]);
    }
    for (int64_t r = 0; r < to->pixels; r++)
        memcpy(row_of(to, r, sizeof(float)), tile + r * to->columns,
               (size_t) to->channels * sizeof(float));
}

static void store_bytes(const place *to, const uint8_t *bytes)
{
    for (int64_t r = 0; r < to->pixels; r++)
        copy_row(row_of(to, r, 1), bytes + r * to->columns, to->channels);
}

static void finish_bytes(const ppq_q8_conv *k, const place *to, const float *tile)
{
    uint8_t bytes[TILE + V_BLOCK];
    const vf last = vf_set(k->last);
    for (int64_t i = 0; i < ROWS * to->columns; i += V_BLOCK) {
        vf x[4];
        for (int v = 0; v < 4; v++)
            x[v] = vf_load(tile + i + v * V_LANES);
        for (int e = 0; e < k->desc.n_end; e++)
            end(k, &k->desc.end[e], to, i, x);
        for (int v = 0; v < 4; v++)
            x[v] = vf_mul(x[v], last);
        to_bytes(k, x, bytes + i);
    }
    store_bytes(to, bytes);
}

// ---- strips ---------------------------------------------------------------------------------

// Where the windows of a tile's pixels begin; pixels beyond the last stand for another.
static void find(const ppq_q8_conv *k, const uint8_t *strip, int64_t first, int64_t n,
                 const uint8_t *px[ROWS])
{
    const ppq_window_2d *w = &k->desc.win;
    if (k->skips) { // one pixel behind the other
        for (int64_t r = 0; r < ROWS; r++)
            px[r] = strip + (first + PPQ_MIN(r, n - 1)) * k->pixel;
        return;
    }
    int64_t x = first % w->dst_size[1], y = first / w->dst_size[1];
    for (int64_t r = 0; r < ROWS; r++) {
        px[r] = r < n ? strip + (y * w->stride[0] * k->width + x * w->stride[1]) * k->pixel : px[0];
        if (++x == w->dst_size[1]) {
            x = 0;
            y++;
        }
    }
}

static block block_of(const ppq_q8_conv *k, int64_t group, int64_t b)
{
    const int64_t i = group * k->n_blocks + b, before = group * k->columns + b * COLUMNS;
    block of = { .weights = k->weights + before * k->depth,
                 .four_at = k->four_at + i * (k->depth / 4),
                 .n_ordered = k->n_ordered + i * PPQ_Q8_ORDERS,
                 .offset = k->offset + i * COLUMNS,
                 .scale = k->scale + i * COLUMNS,
                 .bias = k->bias + i * COLUMNS };
    for (int v = 0; v < 2; v++) {
        const int64_t first = k->first_rest[2 * i + v];
        of.rests[v] = k->rests + first * 4 * V_LANES;
        of.rest_at[v] = k->rest_at + first;
        of.n_rests[v] = k->first_rest[2 * i + v + 1] - first;
    }
    return of;
}

static void (*const sums_of[2][2])(const ppq_q8_conv *k, const uint8_t *const px[ROWS],
                                   const block *of, const results *to) = {
    { narrow_floats, wide_floats },
    { narrow_bytes, wide_bytes },
};

static void strip(const ppq_q8_conv *k, const uint8_t *in, void *dst, int64_t n, int64_t y,
                  int64_t rows, int64_t block_lo, int64_t block_hi)
{
    const ppq_q8_conv_desc *c = &k->desc;
    const int64_t channels = c->groups * c->out, pixels = rows * c->win.dst_size[1];
    const int64_t size = c->to_float ? (int64_t) sizeof(float) : 1;
    const int64_t begin = (n * c->win.dst_size[0] + y) * c->win.dst_size[1];
    const bool plain = !c->to_float && !c->n_end;
    float tile[TILE + V_BLOCK];
    uint8_t bytes[TILE + V_BLOCK];
    const results all = { tile, bytes };
    for (int64_t g = 0; g < c->groups; g++)
        for (int64_t b = block_lo; b < block_hi; b++) {
            const block of = block_of(k, g, b);
            const int64_t columns = ppq_q8_conv_columns(k, b);
            for (int64_t first = 0; first < pixels; first += ROWS) {
                const uint8_t *px[ROWS];
                const int64_t at = (begin + first) * channels + g * c->out + b * COLUMNS;
                const place to = { (unsigned char *) dst + at * size,
                                   PPQ_MIN(pixels - first, (int64_t) ROWS),
                                   PPQ_MIN(c->out - b * COLUMNS, columns), channels, columns };
                find(k, in + g * c->in, first, to.pixels, px);
                sums_of[plain][columns == COLUMNS](k, px, &of, &all);
                if (plain)
                    store_bytes(&to, bytes);
                else if (c->to_float)
                    finish_floats(k, &to, tile);
                else
                    finish_bytes(k, &to, tile);
            }
        }
}

const ppq_q8_conv_loops PPQ_LOOPS(ppq_q8_conv_loops) = { COLUMNS, strip };
