#include "executor/engine/kernels/depthwise_loops.h"

#include "executor/engine/kernels/depthwise.h"
#include "executor/engine/kernels/vec.h"

// Below, `flip` says that the source is int8. It is a constant wherever it is inlined.

// ---- one block of channels ---------------------------------------------------------------------

#if V_LANES_ARE_WIDE
#if defined(__AVX512VNNI__)
enum { GROUP = 4 };

V_INLINE vi load_tap(const uint8_t *p, bool flip)
{
    const vi x = _mm512_loadu_si512(p);
    return flip ? _mm512_xor_si512(x, _mm512_set1_epi8((char) 0x80)) : x;
}

V_INLINE void interleave(const uint8_t *const tap[GROUP], bool flip, vi out[GROUP])
{
    const vi a = load_tap(tap[0], flip), b = load_tap(tap[1], flip);
    const vi c = load_tap(tap[2], flip), d = load_tap(tap[3], flip);
    const vi ab_lo = _mm512_unpacklo_epi8(a, b), ab_hi = _mm512_unpackhi_epi8(a, b);
    const vi cd_lo = _mm512_unpacklo_epi8(c, d), cd_hi = _mm512_unpackhi_epi8(c, d);
    out[0] = _mm512_unpacklo_epi16(ab_lo, cd_lo);
    out[1] = _mm512_unpackhi_epi16(ab_lo, cd_lo);
    out[2] = _mm512_unpacklo_epi16(ab_hi, cd_hi);
    out[3] = _mm512_unpackhi_epi16(ab_hi, cd_hi);
}

V_INLINE vi add_products(vi sum, vi taps, const void *weights)
{
    return _mm512_dpbusd_epi32(sum, taps, vi_load(weights));
}

V_INLINE void store_bytes(const ppq_depthwise *k, const vi y[GROUP], uint8_t *dst)
{
    const vi zero = _mm512_set1_epi16((short) k->zero);
    const vi lo = _mm512_add_epi16(_mm512_packs_epi32(y[0], y[1]), zero);
    const vi hi = _mm512_add_epi16(_mm512_packs_epi32(y[2], y[3]), zero);
    _mm512_storeu_si512(
        dst, _mm512_xor_si512(_mm512_packus_epi16(lo, hi), _mm512_set1_epi8((char) k->dst_flip)));
}
#elif defined(__AVX512BW__)
enum { GROUP = 2 };

V_INLINE vi load_tap(const uint8_t *p, bool flip)
{
    const __m256i x = _mm256_loadu_si256((const void *) p);
    return _mm512_cvtepu8_epi16(flip ? _mm256_xor_si256(x, _mm256_set1_epi8((char) 0x80)) : x);
}

V_INLINE void interleave(const uint8_t *const tap[GROUP], bool flip, vi out[GROUP])
{
    const vi a = load_tap(tap[0], flip), b = load_tap(tap[1], flip);
    out[0] = _mm512_unpacklo_epi16(a, b);
    out[1] = _mm512_unpackhi_epi16(a, b);
}

V_INLINE vi add_products(vi sum, vi taps, const void *weights)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(taps, vi_load(weights)));
}

V_INLINE void store_bytes(const ppq_depthwise *k, const vi y[GROUP], uint8_t *dst)
{
    const vi wide =
        _mm512_add_epi16(_mm512_packs_epi32(y[0], y[1]), _mm512_set1_epi16((short) k->zero));
    _mm256_storeu_si256((void *) dst, _mm256_xor_si256(_mm512_cvtepi16_epi8(wide),
                                                       _mm256_set1_epi8((char) k->dst_flip)));
}
#else
enum { GROUP = 2 };

V_INLINE vi load_tap(const uint8_t *p, bool flip)
{
    const __m128i x = _mm_loadu_si128((const void *) p);
    return _mm256_cvtepu8_epi16(flip ? _mm_xor_si128(x, _mm_set1_epi8((char) 0x80)) : x);
}

V_INLINE void interleave(const uint8_t *const tap[GROUP], bool flip, vi out[GROUP])
{
    const vi a = load_tap(tap[0], flip), b = load_tap(tap[1], flip);
    out[0] = _mm256_unpacklo_epi16(a, b);
    out[1] = _mm256_unpackhi_epi16(a, b);
}

V_INLINE vi add_products(vi sum, vi taps, const void *weights)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(taps, vi_load(weights)));
}

V_INLINE void store_bytes(const ppq_depthwise *k, const vi y[GROUP], uint8_t *dst)
{
    const vi wide =
        _mm256_add_epi16(_mm256_packs_epi32(y[0], y[1]), _mm256_set1_epi16((short) k->zero));
    const __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    _mm_storeu_si128((void *) dst, _mm_xor_si128(bytes, _mm_set1_epi8((char) k->dst_flip)));
}
#endif

enum { BLOCK = GROUP * V_LANES };

// Puts the lanes of every part where their channels belong.
static void store_floats(const vf x[GROUP], float *dst)
{
    for (int p = 0; p < GROUP; p++) {
        float lanes[V_LANES];
        vf_store(lanes, x[p]);
        for (int i = 0; i < V_LANES; i += 4)
            memcpy(dst + i * GROUP + 4 * p, lanes + i, 4 * sizeof(*dst));
    }
}

V_INLINE void finish(const ppq_depthwise *k, int64_t b, const vi sum[GROUP], void *dst, int64_t at)
{
    vf x[GROUP];
    for (int p = 0; p < GROUP; p++) {
        const int64_t i = b * BLOCK + p * V_LANES;
        x[p] = vf_add(vf_mul(vf_from(sum[p]), vf_load(k->scale + i)), vf_load(k->bias + i));
        x[p] = vf_min(vf_max(x[p], vf_set(k->lo)), vf_set(k->hi));
    }
    if (k->to_float) {
        store_floats(x, (float *) dst + at);
        return;
    }
    vi y[GROUP];
    for (int p = 0; p < GROUP; p++)
        y[p] = vi_round(x[p]);
    store_bytes(k, y, (uint8_t *) dst + at);
}

V_INLINE void start(const ppq_depthwise *k, int64_t b, vi sum[GROUP])
{
    for (int p = 0; p < GROUP; p++)
        sum[p] = vi_load(k->start + b * BLOCK + p * V_LANES);
}

V_INLINE void one_block(const ppq_depthwise *k, int64_t b, const uint8_t *const *tap, int64_t shift,
                        bool flip, void *dst, int64_t at)
{
    const uint8_t *w = (const uint8_t *) k->weights + b * k->n_taps * V_LANES * 4;
    vi sum[GROUP];
    start(k, b, sum);
    for (int64_t t = 0; t < k->n_taps; t += GROUP) {
        const uint8_t *p[GROUP];
        vi taps[GROUP];
        for (int g = 0; g < GROUP; g++)
            p[g] = tap[t + g] + shift;
        interleave(p, flip, taps);
        for (int g = 0; g < GROUP; g++, w += V_LANES * 4)
            sum[g] = add_products(sum[g], taps[g], w);
    }
    finish(k, b, sum, dst, at);
}

// ---- 3x3: a walk along the row ------------------------------------------------------------------

// Three rows of a column, interleaved: either two groups of two parts, or one of four.
enum { COLUMN = 4 };

typedef struct walk {
    const ppq_depthwise *k;
    int64_t b, first;      // block and its first channel
    const uint8_t *row[3]; // the source's, at that channel
} walk;

V_INLINE void load_column(const walk *w, int64_t x, bool flip, vi out[COLUMN])
{
    const bool inside = x >= 0 && x < w->k->src_size[1];
    const int64_t at = x * w->k->channels;
    const uint8_t *tap[COLUMN];
    for (int i = 0; i < COLUMN; i++) // the fourth's weight is zero
        tap[i] = inside ? w->row[PPQ_MIN(i, 2)] + at : w->k->outside;
    for (int g = 0; g < COLUMN; g += GROUP)
        interleave(tap + g, flip, out + g);
}

V_INLINE void add_column(const walk *w, int column, const vi taps[COLUMN], vi sum[GROUP])
{
    const uint8_t *weights =
        (const uint8_t *) w->k->weights + (w->b * 3 + column) * COLUMN * V_LANES * 4;
    for (int i = 0; i < COLUMN; i++)
        sum[i % GROUP] = add_products(sum[i % GROUP], taps[i], weights + i * V_LANES * 4);
}

V_INLINE void put(const walk *w, const vi a[COLUMN], const vi b[COLUMN], const vi c[COLUMN],
                  void *dst, int64_t x)
{
    vi sum[GROUP];
    start(w->k, w->b, sum);
    add_column(w, 0, a, sum);
    add_column(w, 1, b, sum);
    add_column(w, 2, c, sum);
    finish(w->k, w->b, sum, dst, x * w->k->channels + w->first);
}

// Unrolled by as many results as it takes for the columns to be back in their variables.
V_INLINE void walk_by_1(const walk *w, bool flip, void *dst)
{
    const int64_t n = w->k->dst_size[1];
    int64_t x = -w->k->pad_lo[1];
    vi a[COLUMN], b[COLUMN], c[COLUMN];
    load_column(w, x++, flip, a);
    load_column(w, x++, flip, b);
    for (int64_t i = 0; i < n;) {
        load_column(w, x++, flip, c);
        put(w, a, b, c, dst, i++);
        if (i == n)
            break;
        load_column(w, x++, flip, a);
        put(w, b, c, a, dst, i++);
        if (i == n)
            break;
        load_column(w, x++, flip, b);
        put(w, c, a, b, dst, i++);
    }
}

V_INLINE void walk_by_2(const walk *w, bool flip, void *dst)
{
    const int64_t n = w->k->dst_size[1];
    int64_t x = -w->k->pad_lo[1];
    vi a[COLUMN], b[COLUMN], c[COLUMN];
    load_column(w, x++, flip, a);
    for (int64_t i = 0; i < n;) {
        load_column(w, x++, flip, b);
        load_column(w, x++, flip, c);
        put(w, a, b, c, dst, i++);
        if (i == n)
            break;
        load_column(w, x++, flip, b);
        load_column(w, x++, flip, a);
        put(w, c, b, a, dst, i++);
    }
}

V_INLINE void walk_row(const ppq_depthwise *k, const uint8_t *src, bool flip, void *dst, int64_t y)
{
    for (int64_t b = 0; b < k->n_blocks; b++) {
        walk w = { .k = k, .b = b, .first = ppq_depthwise_first(k, b, BLOCK) };
        for (int i = 0; i < 3; i++) {
            const int64_t at = y * k->stride[0] - k->pad_lo[0] + k->tap[i].y;
            w.row[i] = at >= 0 && at < k->src_size[0]
                           ? src + at * k->src_size[1] * k->channels + w.first
                           : k->outside;
        }
        if (k->stride[1] == 1)
            walk_by_1(&w, flip, dst);
        else
            walk_by_2(&w, flip, dst);
    }
}

#else

enum { GROUP = 1, BLOCK = 64 };

V_INLINE void one_block(const ppq_depthwise *k, int64_t b, const uint8_t *const *tap, int64_t shift,
                        bool flip, void *dst, int64_t at)
{
    const int64_t n = PPQ_MIN(k->channels, BLOCK), first = b * BLOCK;
    const int32_t *w = (const int32_t *) k->weights + first * k->n_taps;
    const uint8_t mask = flip ? 0x80 : 0;
    int32_t sum[BLOCK];
    memcpy(sum, k->start + first, sizeof(sum));
    for (int64_t t = 0; t < k->n_taps; t++, w += BLOCK)
        for (int64_t c = 0; c < n; c++)
            sum[c] += (tap[t][shift + c] ^ mask) * w[c];
    for (int64_t c = 0; c < n; c++) {
        const vf x = vf_add(vf_mul(vf_from(sum[c]), k->scale[first + c]), k->bias[first + c]);
        const vf y = vf_min(vf_max(x, k->lo), k->hi);
        if (k->to_float)
            ((float *) dst)[at + c] = y;
        else
            ((uint8_t *) dst)[at + c] = (uint8_t) ((vi_round(y) + k->zero) ^ k->dst_flip);
    }
}

#endif

// ---- any window --------------------------------------------------------------------------------

// Where the taps of the window at (y, x) of the source are. Rows of zero points stand for those
// outside.
static void point(const ppq_depthwise *k, const uint8_t *src, int64_t y, int64_t x,
                  const uint8_t **tap)
{
    const int64_t width = k->src_size[1];
    for (int64_t t = 0; t < k->n_taps; t++) {
        const int64_t ty = y + k->tap[t].y, tx = x + k->tap[t].x;
        const bool y_inside = k->tap[t].y >= 0 && ty >= 0 && ty < k->src_size[0];
        const uint8_t *row = y_inside ? src + ty * width * k->channels : k->outside;
        tap[t] = tx >= 0 && tx < width ? row + tx * k->channels : k->outside;
    }
}

// As long as the window is inside of the row, its pointers are those of the first such window,
// shifted.
V_INLINE void any_row(const ppq_depthwise *k, const uint8_t *src, bool flip, void *dst, int64_t y)
{
    const uint8_t *tap[PPQ_DEPTHWISE_TAPS];
    int64_t pointed_at = -1;
    for (int64_t i = 0; i < k->dst_size[1]; i++) {
        const int64_t x = i * k->stride[1] - k->pad_lo[1];
        const bool inside = x >= 0 && x + k->reach < k->src_size[1];
        if (!inside || pointed_at < 0) {
            point(k, src, y * k->stride[0] - k->pad_lo[0], x, tap);
            pointed_at = inside ? x : -1;
        }
        const int64_t shift = inside ? (x - pointed_at) * k->channels : 0;
        for (int64_t b = 0; b < k->n_blocks; b++) {
            const int64_t first = ppq_depthwise_first(k, b, BLOCK);
            one_block(k, b, tap, shift + first, flip, dst, i * k->channels + first);
        }
    }
}

V_INLINE void either_row(const ppq_depthwise *k, const uint8_t *src, bool flip, void *dst,
                         int64_t y)
{
#if V_LANES_ARE_WIDE
    if (k->walk) {
        walk_row(k, src, flip, dst, y);
        return;
    }
#endif
    any_row(k, src, flip, dst, y);
}

static void row(const ppq_depthwise *k, const uint8_t *src, void *dst, int64_t y)
{
    if (k->src_flip)
        either_row(k, src, true, dst, y);
    else
        either_row(k, src, false, dst, y);
}

const ppq_depthwise_loops PPQ_LOOPS(ppq_depthwise_loops) = { GROUP, BLOCK / GROUP, V_LANES_ARE_WIDE,
                                                             row };
