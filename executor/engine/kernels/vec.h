#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_VEC_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_VEC_H

#include <math.h>
#include <string.h>

#include "executor/engine/kernels/q8.h"

// The vector vocabulary of the *_loops.c files, for the level the file is compiled for: vectors of
// V_LANES floats (vf) or int32 (vi). Plain C has one lane, so that every loop is its own portable
// twin. Bytes travel in blocks of V_BLOCK: four vectors at a time.
//
// A vw has twice as many lanes of uint16, whose sums do not carry into each other.
//
// vi_add_fours(sum, a, b) takes each int32 of a as four uint8 and of b as four int8, and adds the
// sum of four products; no two neighbours of b may sum to more than 128 in magnitude, as pairs are
// added in 16 bits on the way where there is no VNNI.
//
// vi_order_fours(a, o) brings the four bytes of each int32 into the order 0 2 1 3 (o = 1) or 0 3 1 2
// (o = 2); o is a constant.
//
// vi_dot_pairs(a, b) takes each int32 as two int16: the sum of two products.
//
// vf_fma(a, b, c) is a * b + c, rounded once. vf_max(a, b) and vf_min(a, b) give b when a is NaN.
// Conversions round to nearest even.

#if defined(__GNUC__)
#define V_INLINE static inline __attribute__((always_inline, unused))
#else
#define V_INLINE static inline
#endif

// clang-format off
#if defined(__AVX512BW__)
#include <immintrin.h>

#define V_LANES_ARE_WIDE 1
enum { V_LANES = 16 };
typedef __m512 vf;
typedef __m512i vi;

V_INLINE vf vf_set(float x) { return _mm512_set1_ps(x); }
V_INLINE vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
V_INLINE void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
V_INLINE vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
V_INLINE vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
V_INLINE vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
V_INLINE vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
V_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
V_INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
V_INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
V_INLINE vf vf_abs(vf a) { return _mm512_abs_ps(a); }
V_INLINE bool vf_any_above(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ) != 0; }

V_INLINE vi vi_set(int32_t x) { return _mm512_set1_epi32(x); }
V_INLINE vi vi_load(const void *p) { return _mm512_loadu_si512(p); }
V_INLINE void vi_store(void *p, vi x) { _mm512_storeu_si512(p, x); }
V_INLINE vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
V_INLINE vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
V_INLINE vi vi_or(vi a, vi b) { return _mm512_or_si512(a, b); }
V_INLINE vi vi_xor(vi a, vi b) { return _mm512_xor_si512(a, b); }
V_INLINE vi vi_shl8(vi a) { return _mm512_slli_epi32(a, 8); }
V_INLINE vi vi_order_fours(vi a, int o)
{
    const vi one = _mm512_set1_epi32(o == 1 ? 0x03010200 : 0x02010300);
    const vi quarter = _mm512_set4_epi32(0x0C0C0C0C, 0x08080808, 0x04040404, 0);
    return _mm512_shuffle_epi8(a, _mm512_add_epi32(one, quarter));
}
V_INLINE vi vi_add_fours(vi sum, vi a, vi b)
{
#if defined(__AVX512VNNI__)
    return _mm512_dpbusd_epi32(sum, a, b);
#else
    const vi pairs = _mm512_maddubs_epi16(a, b);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#endif
}
V_INLINE vi vi_dot_pairs(vi a, vi b) { return _mm512_madd_epi16(a, b); }
V_INLINE vi vi_max_bytes(vi a, vi b) { return _mm512_max_epu8(a, b); }
V_INLINE vf vf_from(vi a) { return _mm512_cvtepi32_ps(a); }
V_INLINE vi vi_round(vf a) { return _mm512_cvtps_epi32(a); }
V_INLINE vi vi_load_bytes(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *) p));
}
typedef __m512i vw;
V_INLINE vw vw_set(int x) { return _mm512_set1_epi16((short) x); }
V_INLINE vw vw_add(vw a, vw b) { return _mm512_add_epi16(a, b); }
V_INLINE vw vw_xor(vw a, vw b) { return _mm512_xor_si512(a, b); }
V_INLINE vw vw_load_bytes(const uint8_t *p)
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *) p));
}
V_INLINE vi vw_lower(vw a) { return _mm512_cvtepu16_epi32(_mm512_castsi512_si256(a)); }
V_INLINE vi vw_upper(vw a) { return _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(a, 1)); }
V_INLINE void vi_store_block(uint8_t *p, const vi x[4], uint8_t flip)
{
    const vi order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const vi y = _mm512_packus_epi16(_mm512_packs_epi32(x[0], x[1]), _mm512_packs_epi32(x[2], x[3]));
    _mm512_storeu_si512(p, _mm512_xor_si512(_mm512_permutexvar_epi32(order, y),
                                            _mm512_set1_epi8((char) flip)));
}

#elif defined(__AVX2__)
#include <immintrin.h>

#define V_LANES_ARE_WIDE 1
enum { V_LANES = 8 };
typedef __m256 vf;
typedef __m256i vi;

V_INLINE vf vf_set(float x) { return _mm256_set1_ps(x); }
V_INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
V_INLINE void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
V_INLINE vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
V_INLINE vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
V_INLINE vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
V_INLINE vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
V_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
V_INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
V_INLINE vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
V_INLINE vf vf_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
V_INLINE bool vf_any_above(vf a, vf b)
{
    return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)) != 0;
}

V_INLINE vi vi_set(int32_t x) { return _mm256_set1_epi32(x); }
V_INLINE vi vi_load(const void *p) { return _mm256_loadu_si256(p); }
V_INLINE void vi_store(void *p, vi x) { _mm256_storeu_si256(p, x); }
V_INLINE vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
V_INLINE vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
V_INLINE vi vi_or(vi a, vi b) { return _mm256_or_si256(a, b); }
V_INLINE vi vi_xor(vi a, vi b) { return _mm256_xor_si256(a, b); }
V_INLINE vi vi_shl8(vi a) { return _mm256_slli_epi32(a, 8); }
V_INLINE vi vi_order_fours(vi a, int o)
{
    const vi one = _mm256_set1_epi32(o == 1 ? 0x03010200 : 0x02010300);
    const vi quarter = _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0C0C0C0C, 0, 0x04040404,
                                         0x08080808, 0x0C0C0C0C);
    return _mm256_shuffle_epi8(a, _mm256_add_epi32(one, quarter));
}
V_INLINE vi vi_add_fours(vi sum, vi a, vi b)
{
    const vi pairs = _mm256_maddubs_epi16(a, b);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
V_INLINE vi vi_dot_pairs(vi a, vi b) { return _mm256_madd_epi16(a, b); }
V_INLINE vi vi_max_bytes(vi a, vi b) { return _mm256_max_epu8(a, b); }
V_INLINE vf vf_from(vi a) { return _mm256_cvtepi32_ps(a); }
V_INLINE vi vi_round(vf a) { return _mm256_cvtps_epi32(a); }
V_INLINE vi vi_load_bytes(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *) p));
}
typedef __m256i vw;
V_INLINE vw vw_set(int x) { return _mm256_set1_epi16((short) x); }
V_INLINE vw vw_add(vw a, vw b) { return _mm256_add_epi16(a, b); }
V_INLINE vw vw_xor(vw a, vw b) { return _mm256_xor_si256(a, b); }
V_INLINE vw vw_load_bytes(const uint8_t *p)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *) p));
}
V_INLINE vi vw_lower(vw a) { return _mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)); }
V_INLINE vi vw_upper(vw a) { return _mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1)); }
V_INLINE void vi_store_block(uint8_t *p, const vi x[4], uint8_t flip)
{
    const vi order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const vi y = _mm256_packus_epi16(_mm256_packs_epi32(x[0], x[1]), _mm256_packs_epi32(x[2], x[3]));
    _mm256_storeu_si256((void *) p, _mm256_xor_si256(_mm256_permutevar8x32_epi32(y, order),
                                                     _mm256_set1_epi8((char) flip)));
}

#else

#define V_LANES_ARE_WIDE 0
enum { V_LANES = 1 };
typedef float vf;
typedef int32_t vi;

V_INLINE vf vf_set(float x) { return x; }
V_INLINE vf vf_load(const float *p) { return *p; }
V_INLINE void vf_store(float *p, vf x) { *p = x; }
V_INLINE vf vf_add(vf a, vf b) { return a + b; }
V_INLINE vf vf_sub(vf a, vf b) { return a - b; }
V_INLINE vf vf_mul(vf a, vf b) { return a * b; }
V_INLINE vf vf_div(vf a, vf b) { return a / b; }
V_INLINE vf vf_fma(vf a, vf b, vf c) { return fmaf(a, b, c); }
V_INLINE vf vf_max(vf a, vf b) { return a > b ? a : b; }
V_INLINE vf vf_min(vf a, vf b) { return a < b ? a : b; }
V_INLINE vf vf_abs(vf a) { return fabsf(a); }
V_INLINE bool vf_any_above(vf a, vf b) { return a > b; }

V_INLINE vi vi_set(int32_t x) { return x; }
V_INLINE vi vi_load(const void *p)
{
    vi x;
    memcpy(&x, p, sizeof(x));
    return x;
}
V_INLINE void vi_store(void *p, vi x) { memcpy(p, &x, sizeof(x)); }
V_INLINE vi vi_add(vi a, vi b) { return a + b; }
V_INLINE vi vi_sub(vi a, vi b) { return a - b; }
V_INLINE vi vi_or(vi a, vi b) { return a | b; }
V_INLINE vi vi_xor(vi a, vi b) { return a ^ b; }
V_INLINE vi vi_shl8(vi a) { return (int32_t) ((uint32_t) a << 8); }
V_INLINE vi vi_order_fours(vi a, int o)
{
    uint8_t x[4];
    vi_store(x, a);
    const uint8_t y[4] = { x[0], x[o == 1 ? 2 : 3], x[1], x[o == 1 ? 3 : 2] };
    return vi_load(y);
}
V_INLINE vi vi_add_fours(vi sum, vi a, vi b)
{
    uint8_t x[4];
    int8_t y[4];
    vi_store(x, a);
    vi_store(y, b);
    return sum + x[0] * y[0] + x[1] * y[1] + x[2] * y[2] + x[3] * y[3];
}
V_INLINE vi vi_dot_pairs(vi a, vi b)
{
    int16_t x[2], y[2];
    vi_store(x, a);
    vi_store(y, b);
    return x[0] * y[0] + x[1] * y[1];
}
V_INLINE vi vi_max_bytes(vi a, vi b)
{
    uint8_t x[4], y[4];
    vi_store(x, a);
    vi_store(y, b);
    for (int i = 0; i < 4; i++)
        x[i] = x[i] > y[i] ? x[i] : y[i];
    return vi_load(x);
}
V_INLINE vf vf_from(vi a) { return (float) a; }
V_INLINE vi vi_round(vf a) { return (int32_t) lrintf(a); }
V_INLINE vi vi_load_bytes(const uint8_t *p) { return *p; }
typedef uint32_t vw; // two lanes
V_INLINE vw vw_set(int x) { return (uint32_t) x * 0x10001u; }
V_INLINE vw vw_add(vw a, vw b) { return a + b; }
V_INLINE vw vw_xor(vw a, vw b) { return a ^ b; }
V_INLINE vw vw_load_bytes(const uint8_t *p) { return p[0] | (uint32_t) p[1] << 16; }
V_INLINE vi vw_lower(vw a) { return (vi) (a & 0xFFFF); }
V_INLINE vi vw_upper(vw a) { return (vi) (a >> 16); }
V_INLINE void vi_store_block(uint8_t *p, const vi x[4], uint8_t flip)
{
    for (int k = 0; k < 4; k++)
        p[k] = (uint8_t) (x[k] ^ flip);
}

#endif
// clang-format on

enum { V_BLOCK = 4 * V_LANES };

// The first n lanes; those beyond are 0.
V_INLINE vf vf_load_part(const float *p, int64_t n)
{
    float part[V_LANES] = { 0 };
    memcpy(part, p, (size_t) n * sizeof(float));
    return vf_load(part);
}

V_INLINE void vf_store_part(float *p, vf x, int64_t n)
{
    float part[V_LANES];
    vf_store(part, x);
    memcpy(p, part, (size_t) n * sizeof(float));
}

// ---- bytes and real numbers -----------------------------------------------------------------

typedef struct v_q8 {
    vf scale, inverse, lo, hi; // the range relative to the zero point
    vi zero, flip;
    vf tie; // how far a quotient from its nearest integer may be to be trusted, see v_quantize
    uint8_t flip_byte;
} v_q8;

// A product with the reciprocal of a power of two is exact. A reciprocal that is not a normal
// number is never trusted.
V_INLINE float v_tie_of(float scale)
{
    int exponent;
    if (!(scale > 1e-30f && scale < 1e30f))
        return -1;
    return frexpf(scale, &exponent) > 0.5f ? 0.5f - 1 / 8192.0f : 1;
}

V_INLINE v_q8 v_q8_of(const ppq_q8_raw *q)
{
    return (v_q8){
        .scale = vf_set(q->scale),
        .inverse = vf_set(1 / q->scale),
        .lo = vf_set((float) (q->qmin - q->zero)),
        .hi = vf_set((float) (q->qmax - q->zero)),
        .zero = vi_set(q->zero),
        .flip = vi_set(q->flip),
        .tie = vf_set(v_tie_of(q->scale)),
        .flip_byte = q->flip,
    };
}

// `flips` is a constant: false where the bytes are known to be uint8.
V_INLINE void v_dequantize(const v_q8 *q, bool flips, const uint8_t *src, vf x[4])
{
    for (int k = 0; k < 4; k++) {
        const vi bytes = vi_load_bytes(src + k * V_LANES);
        const vi values = flips ? vi_xor(bytes, q->flip) : bytes;
        x[k] = vf_mul(vf_from(vi_sub(values, q->zero)), q->scale);
    }
}

V_INLINE vi v_nearest(const v_q8 *q, vf quotient)
{
    return vi_round(vf_min(vf_max(quotient, q->lo), q->hi));
}

// A product with the reciprocal is within 3 * 2^-24 of the true quotient (relative), so that both
// have the same nearest integer unless the product is close to a tie: only then is it divided.
// Beyond the range, whose ends are integers of less than 9 bits, both are clamped alike.
V_INLINE void v_quantize(const v_q8 *q, const vf x[4], vi out[4])
{
    vf farthest = vf_set(0);
    for (int k = 0; k < 4; k++) {
        const vf y = vf_min(vf_max(vf_mul(x[k], q->inverse), q->lo), q->hi);
        out[k] = vi_round(y);
        farthest = vf_max(vf_abs(vf_sub(y, vf_from(out[k]))), farthest);
    }
    if (vf_any_above(farthest, q->tie))
        for (int k = 0; k < 4; k++)
            out[k] = v_nearest(q, vf_div(x[k], q->scale));
    for (int k = 0; k < 4; k++)
        out[k] = vi_add(out[k], q->zero);
}

V_INLINE void v_quantize_store(const v_q8 *q, const vf x[4], uint8_t *dst)
{
    vi y[4];
    v_quantize(q, x, y);
    vi_store_block(dst, y, q->flip_byte);
}

#endif
