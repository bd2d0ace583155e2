#include "executor/engine/kernels/depthwise_loops.h"

#include "executor/engine/kernels/vec.h"

// Below, `flip` says that the source is int8. It is a constant wherever it is inlined. Stores of
// bytes may alias anything: what the inner loops read of a ppq_depthwise is copied out of it.

// ---- one block of channels ------------------------------------------------------------------

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

typedef __m512i bytes;

V_INLINE bytes bytes_set(int x)
{
    return _mm512_set1_epi8((char) x);
}

V_INLINE bytes pack(vi zero, const vi y[GROUP])
{
    return _mm512_packus_epi16(_mm512_adds_epi16(_mm512_packs_epi32(y[0], y[1]), zero),
                               _mm512_adds_epi16(_mm512_packs_epi32(y[2], y[3]), zero));
}

V_INLINE void store(bytes x, bytes lo, bytes hi, bytes flip, uint8_t *dst)
{
    const bytes clamped = _mm512_min_epu8(_mm512_max_epu8(x, lo), hi);
    _mm512_storeu_si512(dst, _mm512_xor_si512(clamped, flip));
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

typedef __m256i bytes;

V_INLINE bytes bytes_set(int x)
{
    return _mm256_set1_epi8((char) x);
}

V_INLINE bytes pack(vi zero, const vi y[GROUP])
{
    const vi wide = _mm512_adds_epi16(_mm512_packs_epi32(y[0], y[1]), zero);
    return _mm512_cvtusepi16_epi8(_mm512_max_epi16(wide, vi_set(0)));
}

V_INLINE void store(bytes x, bytes lo, bytes hi, bytes flip, uint8_t *dst)
{
    const bytes clamped = _mm256_min_epu8(_mm256_max_epu8(x, lo), hi);
    _mm256_storeu_si256((void *) dst, _mm256_xor_si256(clamped, flip));
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

typedef __m128i bytes;

V_INLINE bytes bytes_set(int x)
{
    return _mm_set1_epi8((char) x);
}

V_INLINE bytes pack(vi zero, const vi y[GROUP])
{
    const vi wide = _mm256_adds_epi16(_mm256_packs_epi32(y[0], y[1]), zero);
    return _mm_packus_epi16(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
}

V_INLINE void store(bytes x, bytes lo, bytes hi, bytes flip, uint8_t *dst)
{
    const bytes clamped = _mm_min_epu8(_mm_max_epu8(x, lo), hi);
    _mm_storeu_si128((void *) dst, _mm_xor_si128(clamped, flip));
}
#endif

enum { BLOCK = GROUP * V_LANES, LANE_BYTES = 4, VECTOR_BYTES = V_LANES * LANE_BYTES };

// How a sum becomes a result.
typedef struct epilogue {
    vf lo, hi; // of floats
    vi zero;   // two int16 a lane
    bytes qmin, qmax, flip;
    bool to_float;
} epilogue;

V_INLINE epilogue epilogue_of(const ppq_depthwise *k)
{
    return (epilogue){ vf_set(k->lo),
                       vf_set(k->hi),
                       vi_set(k->dst.zero * 0x10001),
                       bytes_set(k->dst.qmin),
                       bytes_set(k->dst.qmax),
                       bytes_set(k->dst.flip),
                       k->to_float };
}

// Puts the lanes of every part where their channels belong.
V_INLINE void store_floats(const vf x[GROUP], float *dst)
{
    for (int p = 0; p < GROUP; p++) {
        float lanes[V_LANES];
        vf_store(lanes, x[p]);
        for (int i = 0; i < V_LANES; i += 4)
            memcpy(dst + i * GROUP + 4 * p, lanes + i, 4 * sizeof(*dst));
    }
}

// Sums of bytes are small enough to be rounded as they are, see `bounded` in depthwise.c; packing
// saturates.
V_INLINE void finish(const epilogue *e, const uint8_t *packed, const vi sum[GROUP], void *dst,
                     int64_t at)
{
    const float *scale = (const void *) (packed + GROUP * VECTOR_BYTES), *bias = scale + BLOCK;
    vf x[GROUP];
    vi y[GROUP];
    for (int p = 0; p < GROUP; p++) {
        x[p] = vf_mul(vf_from(sum[p]), vf_load(scale + p * V_LANES));
        x[p] = vf_add(x[p], vf_load(bias + p * V_LANES));
    }
    if (e->to_float) {
        for (int p = 0; p < GROUP; p++)
            x[p] = vf_min(vf_max(x[p], e->lo), e->hi);
        store_floats(x, (float *) dst + at);
        return;
    }
    for (int p = 0; p < GROUP; p++)
        y[p] = vi_round(x[p]);
    store(pack(e->zero, y), e->qmin, e->qmax, e->flip, (uint8_t *) dst + at);
}

V_INLINE void start(const uint8_t *packed, vi sum[GROUP])
{
    for (int p = 0; p < GROUP; p++)
        sum[p] = vi_load(packed + p * VECTOR_BYTES);
}

V_INLINE void one_block(const ppq_depthwise *k, int64_t b, const uint8_t *const *tap, int64_t shift,
                        bool flip, void *dst, int64_t at)
{
    const epilogue e = epilogue_of(k);
    const uint8_t *packed = k->packed + b * k->block_bytes, *w = packed + 3 * GROUP * VECTOR_BYTES;
    vi sum[GROUP];
    start(packed, sum);
    for (int64_t t = 0; t < k->n_taps; t += GROUP) {
        const uint8_t *p[GROUP];
        vi taps[GROUP];
        for (int g = 0; g < GROUP; g++)
            p[g] = tap[t + g] + shift;
        interleave(p, flip, taps);
        for (int g = 0; g < GROUP; g++, w += VECTOR_BYTES)
            sum[g] = add_products(sum[g], taps[g], w);
    }
    finish(&e, packed, sum, dst, at);
}

// ---- 3x3: a walk along the row --------------------------------------------------------------

// Three rows of a column, interleaved: either two groups of two parts, or one of four.
enum { COLUMN = 4 };

typedef struct walk {
    const uint8_t *row[3], *outside; // of the source, at the block's first channel
    const uint8_t *packed;           // the block's
    int64_t channels, width, n;      // of the source, results
    epilogue end;
} walk;

V_INLINE void load_column(const walk *w, int64_t x, bool flip, vi out[COLUMN])
{
    const int64_t at = x * w->channels;
    const uint8_t *tap[COLUMN] = { w->row[0] + at, w->row[1] + at, w->row[2] + at };
    if (x < 0 || x >= w->width)
        tap[0] = tap[1] = tap[2] = w->outside;
    tap[3] = tap[2]; // its weight is zero
    for (int g = 0; g < COLUMN; g += GROUP)
        interleave(tap + g, flip, out + g);
}

V_INLINE void add_column(const walk *w, int column, const vi taps[COLUMN], vi sum[GROUP])
{
    const uint8_t *weights = w->packed + (3 * GROUP + column * COLUMN) * VECTOR_BYTES;
    for (int i = 0; i < COLUMN; i++)
        sum[i % GROUP] = add_products(sum[i % GROUP], taps[i], weights + i * VECTOR_BYTES);
}

V_INLINE void put(const walk *w, const vi a[COLUMN], const vi b[COLUMN], const vi c[COLUMN],
                  void *dst, int64_t x)
{
    vi sum[GROUP];
    start(w->packed, sum);
    add_column(w, 0, a, sum);
    add_column(w, 1, b, sum);
    add_column(w, 2, c, sum);
    finish(&w->end, w->packed, sum, dst, x * w->channels);
}

// Unrolled by as many results as it takes for the columns to be back in their variables.
V_INLINE void walk_by_1(const walk *w, int64_t x, bool flip, void *dst)
{
    vi a[COLUMN], b[COLUMN], c[COLUMN];
    load_column(w, x++, flip, a);
    load_column(w, x++, flip, b);
    for (int64_t i = 0; i < w->n;) {
        load_column(w, x++, flip, c);
        put(w, a, b, c, dst, i++);
        if (i == w->n)
            break;
        load_column(w, x++, flip, a);
        put(w, b, c, a, dst, i++);
        if (i == w->n)
            break;
        load_column(w, x++, flip, b);
        put(w, c, a, b, dst, i++);
    }
}

V_INLINE void walk_by_2(const walk *w, int64_t x, bool flip, void *dst)
{
    vi a[COLUMN], b[COLUMN], c[COLUMN];
    load_column(w, x++, flip, a);
    for (int64_t i = 0; i < w->n;) {
        load_column(w, x++, flip, b);
        load_column(w, x++, flip, c);
        put(w, a, b, c, dst, i++);
        if (i == w->n)
            break;
        load_column(w, x++, flip, b);
        load_column(w, x++, flip, a);
        put(w, c, b, a, dst, i++);
    }
}

V_INLINE void walk_row(const ppq_depthwise *k, const uint8_t *src, bool flip, void *dst, int64_t y)
{
    for (int64_t b = 0; b < k->n_blocks; b++) {
        const int64_t first = ppq_depthwise_first(k, b, BLOCK);
        walk w = { .outside = k->outside,
                   .packed = k->packed + b * k->block_bytes,
                   .channels = k->channels,
                   .width = k->win.src_size[1],
                   .n = k->win.dst_size[1],
                   .end = epilogue_of(k) };
        for (int i = 0; i < 3; i++) {
            const int64_t at = y * k->win.stride[0] - k->win.pad_lo[0] + k->tap[i].y;
            const bool inside = at >= 0 && at < k->win.src_size[0];
            w.row[i] = inside ? src + at * w.width * w.channels + first : k->outside;
        }
        uint8_t *to = (uint8_t *) dst + first * (k->to_float ? LANE_BYTES : 1);
        if (k->win.stride[1] == 1)
            walk_by_1(&w, -k->win.pad_lo[1], flip, to);
        else
            walk_by_2(&w, -k->win.pad_lo[1], flip, to);
    }
}

#else

enum { GROUP = 1, BLOCK = 64 };

V_INLINE void one_block(const ppq_depthwise *k, int64_t b, const uint8_t *const *tap, int64_t shift,
                        bool flip, void *dst, int64_t at)
{
    const int64_t n = PPQ_MIN(k->channels, BLOCK);
    const int32_t *start = (const void *) (k->packed + b * k->block_bytes);
    const float *scale = (const float *) (const void *) (start + BLOCK), *bias = scale + BLOCK;
    const int32_t *w = (const int32_t *) (const void *) (bias + BLOCK);
    const uint8_t mask = flip ? 0x80 : 0;
    int32_t sum[BLOCK];
    memcpy(sum, start, sizeof(sum));
    for (int64_t t = 0; t < k->n_taps; t++, w += BLOCK)
        for (int64_t c = 0; c < n; c++)
            sum[c] += (tap[t][shift + c] ^ mask) * w[c];
    for (int64_t c = 0; c < n; c++) {
        const vf x = vf_add(vf_mul(vf_from(sum[c]), scale[c]), bias[c]);
        const vf y = vf_min(vf_max(x, k->lo), k->hi);
        if (k->to_float)
            ((float *) dst)[at + c] = y;
        else
            ((uint8_t *) dst)[at + c] = (uint8_t) ((vi_round(y) + k->dst.zero) ^ k->dst.flip);
    }
}

#endif

// ---- any window -----------------------------------------------------------------------------

// Where the taps of the window at (y, x) of the source are. Rows of zero points stand for those
// outside.
static void point(const ppq_depthwise *k, const uint8_t *src, int64_t y, int64_t x,
                  const uint8_t **tap)
{
    const int64_t width = k->win.src_size[1];
    for (int64_t t = 0; t < k->n_taps; t++) {
        const int64_t ty = y + k->tap[t].y, tx = x + k->tap[t].x;
        const bool y_inside = k->tap[t].y >= 0 && ty >= 0 && ty < k->win.src_size[0];
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
    for (int64_t i = 0; i < k->win.dst_size[1]; i++) {
        const int64_t x = i * k->win.stride[1] - k->win.pad_lo[1];
        const bool inside = x >= 0 && x + k->reach < k->win.src_size[1];
        if (!inside || pointed_at < 0) {
            point(k, src, y * k->win.stride[0] - k->win.pad_lo[0], x, tap);
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
