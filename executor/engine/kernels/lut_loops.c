#include "executor/engine/kernels/lut_loops.h"

#include "executor/engine/kernels/vec.h"

#if defined(__AVX512VBMI__)

enum { VECTOR = 64, UNROLL = 1 };
typedef struct tables {
    __m512i quarter[4];
} tables;

V_INLINE tables tables_of(const uint8_t *table)
{
    tables t;
    for (int k = 0; k < 4; k++)
        t.quarter[k] = vi_load(table + 64 * k);
    return t;
}

// A permutation of two registers sees seven bits of an index; the eighth chooses between two.
V_INLINE void look_up(const tables *t, const uint8_t *src, uint8_t *dst)
{
    const __m512i x = vi_load(src);
    const __m512i lo = _mm512_permutex2var_epi8(t->quarter[0], x, t->quarter[1]);
    const __m512i hi = _mm512_permutex2var_epi8(t->quarter[2], x, t->quarter[3]);
    vi_store(dst, _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), lo, hi));
}

#elif V_LANES_ARE_WIDE

// pshufb looks up 16 bytes by the low four bits of an index and gives zero when its top bit is set.
// With step k = 0..15 looking up x - 16 * k in table d[k], nibble h = x / 16 gets a result in the
// steps k = max(0, h - 7)..h, and their exclusive or shall be t[h], the 16 bytes of that nibble:
//     d[h] = t[h] ^ t[h - 1] ^ (h < 8 ? 0 : d[h - 8])
// From step 9 on the subtraction saturates, lest small x come round.
enum { VECTOR = 4 * V_LANES, UNROLL = 4, STEPS = 16, SATURATES = 9 };

typedef struct tables {
    vi d[STEPS];
} tables;

#if defined(__AVX512BW__)
V_INLINE vi broadcast(const uint8_t *p)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const void *) p));
}
V_INLINE vi pick(vi table, vi index)
{
    return _mm512_shuffle_epi8(table, index);
}
V_INLINE vi next(vi index, int step)
{
    const vi by = _mm512_set1_epi8(16);
    return step < SATURATES ? _mm512_sub_epi8(index, by) : _mm512_subs_epi8(index, by);
}
#else
V_INLINE vi broadcast(const uint8_t *p)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *) p));
}
V_INLINE vi pick(vi table, vi index)
{
    return _mm256_shuffle_epi8(table, index);
}
V_INLINE vi next(vi index, int step)
{
    const vi by = _mm256_set1_epi8(16);
    return step < SATURATES ? _mm256_sub_epi8(index, by) : _mm256_subs_epi8(index, by);
}
#endif

V_INLINE tables tables_of(const uint8_t *table)
{
    tables t;
    for (int h = 0; h < STEPS; h++) {
        t.d[h] = broadcast(table + 16 * h);
        if (h > 0)
            t.d[h] = vi_xor(t.d[h], broadcast(table + 16 * (h - 1)));
        if (h >= 8)
            t.d[h] = vi_xor(t.d[h], t.d[h - 8]);
    }
    return t;
}

V_INLINE void look_up_vectors(const tables *t, const uint8_t *src, uint8_t *dst, int n)
{
    vi x[UNROLL], y[UNROLL];
    for (int i = 0; i < n; i++) {
        x[i] = vi_load(src + i * VECTOR);
        y[i] = pick(t->d[0], x[i]);
    }
    for (int k = 1; k < STEPS; k++)
        for (int i = 0; i < n; i++) {
            x[i] = next(x[i], k);
            y[i] = vi_xor(y[i], pick(t->d[k], x[i]));
        }
    for (int i = 0; i < n; i++)
        vi_store(dst + i * VECTOR, y[i]);
}

V_INLINE void look_up(const tables *t, const uint8_t *src, uint8_t *dst)
{
    look_up_vectors(t, src, dst, 1);
}

#endif

#if V_LANES_ARE_WIDE
static void rows(const uint8_t *table, const uint8_t *src, int64_t src_stride, uint8_t *dst,
                 int64_t dst_stride, int64_t n_rows, int64_t n_cols)
{
    const tables t = tables_of(table);
    for (int64_t r = 0; r < n_rows; r++, src += src_stride, dst += dst_stride) {
        int64_t i = 0;
#if !defined(__AVX512VBMI__)
        for (; i + UNROLL * VECTOR <= n_cols; i += UNROLL * VECTOR)
            look_up_vectors(&t, src + i, dst + i, UNROLL);
#endif
        for (; i + VECTOR <= n_cols; i += VECTOR)
            look_up(&t, src + i, dst + i);
        for (; i < n_cols; i++)
            dst[i] = table[src[i]];
    }
}
#else
static void rows(const uint8_t *table, const uint8_t *src, int64_t src_stride, uint8_t *dst,
                 int64_t dst_stride, int64_t n_rows, int64_t n_cols)
{
    for (int64_t r = 0; r < n_rows; r++, src += src_stride, dst += dst_stride)
        for (int64_t i = 0; i < n_cols; i++)
            dst[i] = table[src[i]];
}
#endif

const ppq_lut_loops PPQ_LOOPS(ppq_lut_loops) = { rows };
