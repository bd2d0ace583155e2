#include "executor/ops/convert.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "executor/ops/types.h"

// ---- small floats ---------------------------------------------------------------------------

// A binary float format below 32 bits. Without infinity the top exponent holds numbers.
typedef struct small_float {
    int exp_bits, man_bits, bias;
    uint32_t max;       // code of the largest finite value
    uint32_t nan;       // code of NaN; 0 when there is none
    uint32_t inf;       // code of infinity; 0 when there is none
    bool unsigned_zero; // -0 is NaN's code, so it becomes +0
} small_float;

static const small_float *small_float_of(ppq_dtype dt)
{
    static const small_float f16 = { 5, 10, 15, 0x7bff, 0x7e00, 0x7c00, false },
                             bf16 = { 8, 7, 127, 0x7f7f, 0x7fc0, 0x7f80, false },
                             e4m3fn = { 4, 3, 7, 0x7e, 0x7f, 0, false },
                             e4m3fnuz = { 4, 3, 8, 0x7f, 0x80, 0, true },
                             e5m2 = { 5, 2, 15, 0x7b, 0x7f, 0x7c, false },
                             e5m2fnuz = { 5, 2, 16, 0x7f, 0x80, 0, true },
                             e2m1 = { 2, 1, 1, 0x7, 0, 0, false };
    switch ((int) dt) {
    case PPQ_DT_F16:
        return &f16;
    case PPQ_DT_BF16:
        return &bf16;
    case PPQ_DT_F8E4M3FN:
        return &e4m3fn;
    case PPQ_DT_F8E4M3FNUZ:
        return &e4m3fnuz;
    case PPQ_DT_F8E5M2:
        return &e5m2;
    case PPQ_DT_F8E5M2FNUZ:
        return &e5m2fnuz;
    case PPQ_DT_F4E2M1:
        return &e2m1;
    default:
        return NULL;
    }
}

static double small_decode(const small_float *f, uint32_t code)
{
    const uint32_t sign_bit = 1u << (f->exp_bits + f->man_bits), mag = code & (sign_bit - 1);
    if (f->nan && (code == f->nan || (f->inf && mag > f->inf) ||
                   (!f->unsigned_zero && !f->inf && mag == f->nan)))
        return (double) NAN;
    const int e = (int) (mag >> f->man_bits);
    const double man = (double) (mag & ((1u << f->man_bits) - 1));
    const double one = (double) (1u << f->man_bits);
    double v =
        e ? ldexp(one + man, e - f->bias - f->man_bits) : ldexp(man, 1 - f->bias - f->man_bits);
    if (f->inf && mag == f->inf)
        v = (double) INFINITY;
    return code & sign_bit ? -v : v;
}

static uint32_t small_encode(const small_float *f, double v, bool saturate)
{
    const uint32_t sign = signbit(v) ? 1u << (f->exp_bits + f->man_bits) : 0;
    // IEEE types overflow to infinity by rounding; the 4-bit type can only saturate.
    const bool clamp = f->exp_bits + f->man_bits < 15 && (saturate || !f->nan);
    const uint32_t over = clamp ? f->max : f->inf ? f->inf : f->nan;
    const uint32_t over_sign = over == f->nan && f->unsigned_zero ? 0 : sign;
    if (isnan(v))
        return f->nan ? (f->unsigned_zero ? f->nan : f->nan | sign) : 8; // no NaN: -0
    const double a = fabs(v);
    if (isinf(v))
        return over_sign | over;
    int e = a > 0 ? ilogb(a) : -f->bias;
    e = PPQ_MAX(e, 1 - f->bias);
    const double q = rint(ldexp(a, f->man_bits - e)); // in units of the last place
    if (q == 0)
        return f->unsigned_zero ? 0 : sign;
    if (e + f->bias > 1 << f->exp_bits)
        return over_sign | over;
    // The hidden bit and a carry out of the mantissa both add one to the exponent field.
    const uint32_t code = ((uint32_t) (e + f->bias - 1) << f->man_bits) + (uint32_t) q;
    return code > f->max ? over_sign | over : sign | code;
}

// A power of two: the biased exponent of float32. There is no zero, no sign.
static uint32_t e8m0_encode(double v, ppq_convert_mode mode)
{
    if (isnan(v) || (isinf(v) && !mode.saturate))
        return 255;
    int e;
    const double a = fabs(v), m = frexp(a, &e); // a = m * 2^e, m in [0.5, 1)
    if (a == 0)
        return 0;
    if (isinf(v))
        return 254;
    const bool up = mode.round_e8m0 > 0 ? m > 0.5 : mode.round_e8m0 == 0 && m >= 0.75;
    const int code = e - 1 + (up ? 1 : 0) + 127;
    if (code > 254)
        return mode.saturate ? 254 : 255;
    return (uint32_t) PPQ_MAX(code, 0);
}

// ---- elements -------------------------------------------------------------------------------

static uint32_t sub_byte_get(const uint8_t *p, unsigned bits, int64_t i)
{
    const unsigned per = 8 / bits, shift = (unsigned) (i % per) * bits;
    return (uint32_t) (p[i / per] >> shift) & ((1u << bits) - 1);
}

static void sub_byte_set(uint8_t *p, unsigned bits, int64_t i, uint32_t v)
{
    const unsigned per = 8 / bits, shift = (unsigned) (i % per) * bits;
    const uint32_t mask = ((1u << bits) - 1) << shift;
    p[i / per] = (uint8_t) ((p[i / per] & ~mask) | (v << shift & mask));
}

static int64_t sign_extend(uint32_t v, unsigned bits)
{
    const uint32_t top = 1u << (bits - 1);
    return (int64_t) (v ^ top) - (int64_t) top;
}

static uint32_t code_get(const ppq_tensor *t, int64_t i)
{
    const unsigned bits = ppq_dtype_bits(t->dtype);
    const void *p = ppq_tensor_data(t);
    return bits == 16  ? ((const uint16_t *) p)[i]
           : bits == 8 ? ((const uint8_t *) p)[i]
                       : sub_byte_get(p, bits, i);
}

static void code_set(ppq_tensor *t, int64_t i, uint32_t v)
{
    const unsigned bits = ppq_dtype_bits(t->dtype);
    void *p = ppq_tensor_data(t);
    if (bits == 16)
        ((uint16_t *) p)[i] = (uint16_t) v;
    else if (bits == 8)
        ((uint8_t *) p)[i] = (uint8_t) v;
    else
        sub_byte_set(p, bits, i, v);
}

bool ppq_convert_knows(ppq_dtype dt)
{
    return dt != PPQ_DT_NONE && dt != PPQ_DT_STRING && dt != PPQ_DT_C64 && dt != PPQ_DT_C128;
}

#define LOAD(id, type, to)                                           \
    case PPQ_DT_##id: {                                              \
        const type *src = (const type *) ppq_tensor_data(t) + first; \
        for (int64_t i = 0; i < n; i++)                              \
            dst[i] = (to) src[i];                                    \
        return;                                                      \
    }

void ppq_load_i64(const ppq_tensor *t, int64_t first, int64_t n, int64_t *dst)
{
    const unsigned bits = ppq_dtype_bits(t->dtype);
    assert(ppq_dtype_is_integer(t->dtype));
    switch ((int) t->dtype) {
        TYPES_INT(LOAD, int64_t)
    case PPQ_DT_BOOL:
        for (int64_t i = 0; i < n; i++)
            dst[i] = ((const uint8_t *) ppq_tensor_data(t))[first + i] != 0;
        return;
    default:
        for (int64_t i = 0; i < n; i++) {
            const uint32_t v = sub_byte_get(ppq_tensor_data(t), bits, first + i);
            const bool is_signed = t->dtype == PPQ_DT_I4 || t->dtype == PPQ_DT_I2;
            dst[i] = is_signed ? sign_extend(v, bits) : (int64_t) v;
        }
    }
}

void ppq_load_f64(const ppq_tensor *t, int64_t first, int64_t n, double *dst)
{
    const small_float *f = small_float_of(t->dtype);
    switch ((int) t->dtype) {
        TYPES_REAL(LOAD, double)
    case PPQ_DT_F16: {
        const uint16_t *src = (const uint16_t *) ppq_tensor_data(t) + first;
        for (int64_t i = 0; i < n; i++)
            dst[i] = (double) ppq_f16_to_f32(src[i]);
        return;
    }
    case PPQ_DT_F8E8M0:
        for (int64_t i = 0; i < n; i++) {
            const uint32_t v = code_get(t, first + i);
            dst[i] = v == 255 ? (double) NAN : ldexp(1.0, (int) v - 127);
        }
        return;
    default:
        for (int64_t i = 0; i < n; i++) {
            int64_t v = 0;
            if (f)
                dst[i] = small_decode(f, code_get(t, first + i));
            else {
                ppq_load_i64(t, first + i, 1, &v);
                dst[i] = (double) v;
            }
        }
    }
}

#define STORE_I64(id, type, unused)                      \
    case PPQ_DT_##id: {                                  \
        type *dst = (type *) ppq_tensor_data(t) + first; \
        for (int64_t i = 0; i < n; i++)                  \
            dst[i] = (type) src[i];                      \
        return;                                          \
    }

void ppq_store_i64(ppq_tensor *t, int64_t first, int64_t n, const int64_t *src)
{
    assert(ppq_dtype_is_integer(t->dtype));
    switch ((int) t->dtype) {
        TYPES_INT(STORE_I64, 0)
    case PPQ_DT_BOOL:
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *) ppq_tensor_data(t))[first + i] = src[i] != 0;
        return;
    default:
        for (int64_t i = 0; i < n; i++)
            code_set(t, first + i, (uint32_t) src[i]);
    }
}

static int64_t f64_to_i64(double v, bool to_u64)
{
    if (isnan(v))
        return 0;
    if (v >= 9223372036854775808.0) {
        if (to_u64)
            return v >= 18446744073709551616.0 ? -1 : (int64_t) (uint64_t) v;
        return INT64_MAX;
    }
    return v <= -9223372036854775808.0 ? INT64_MIN : (int64_t) v;
}

void ppq_store_f64(ppq_tensor *t, int64_t first, int64_t n, const double *src,
                   ppq_convert_mode mode)
{
    const small_float *f = small_float_of(t->dtype);
    switch ((int) t->dtype) {
    case PPQ_DT_F32:
        for (int64_t i = 0; i < n; i++)
            ppq_f32(t)[first + i] = (float) src[i];
        return;
    case PPQ_DT_F64:
        memcpy((double *) ppq_tensor_data(t) + first, src, (size_t) n * sizeof(*src));
        return;
    case PPQ_DT_BOOL:
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *) ppq_tensor_data(t))[first + i] = src[i] != 0;
        return;
    case PPQ_DT_F8E8M0:
        for (int64_t i = 0; i < n; i++)
            code_set(t, first + i, e8m0_encode(src[i], mode));
        return;
    default:
        for (int64_t i = 0; i < n; i++) {
            if (f) {
                code_set(t, first + i, small_encode(f, src[i], mode.saturate));
            } else {
                const int64_t v = f64_to_i64(src[i], t->dtype == PPQ_DT_U64);
                ppq_store_i64(t, first + i, 1, &v);
            }
        }
    }
}

#define CONVERT_EACH(from, to, expr)          \
    do {                                      \
        const from *s = ppq_tensor_data(src); \
        to *d = ppq_tensor_data(dst);         \
        for (int64_t i = 0; i < n; i++)       \
            d[i] = (expr);                    \
        return true;                          \
    } while (0)

// Pairs that are frequent, or where a stop at double would round twice (64 bits to float).
static bool convert_directly(const ppq_tensor *src, ppq_tensor *dst, int64_t n)
{
    const ppq_dtype from = src->dtype, to = dst->dtype;
    if (from == PPQ_DT_I64 && to == PPQ_DT_F32)
        CONVERT_EACH(int64_t, float, (float) s[i]);
    if (from == PPQ_DT_U64 && to == PPQ_DT_F32)
        CONVERT_EACH(uint64_t, float, (float) s[i]);
    if (from == PPQ_DT_F32 && to == PPQ_DT_F16)
        CONVERT_EACH(float, uint16_t, ppq_f32_to_f16(s[i]));
    if (from == PPQ_DT_F32 && to == PPQ_DT_BF16)
        CONVERT_EACH(float, uint16_t, ppq_f32_to_bf16(s[i]));
    if (from == PPQ_DT_F16 && to == PPQ_DT_F32)
        CONVERT_EACH(uint16_t, float, ppq_f16_to_f32(s[i]));
    if (from == PPQ_DT_BF16 && to == PPQ_DT_F32)
        CONVERT_EACH(uint16_t, float, ppq_bf16_to_f32(s[i]));
    return false;
}

void ppq_convert(const ppq_tensor *src, ppq_tensor *dst, ppq_convert_mode mode)
{
    enum { CHUNK = 256 }; // even, so that no two chunks share a packed byte
    const int64_t n = ppq_shape_numel(&src->shape);
    if (dst->dtype == src->dtype) {
        if (n)
            memcpy(ppq_tensor_data(dst), ppq_tensor_data(src), ppq_tensor_bytes(src));
        return;
    }
    if (convert_directly(src, dst, n))
        return;
    const bool exact = ppq_dtype_is_integer(src->dtype) && ppq_dtype_is_integer(dst->dtype);
    for (int64_t i = 0; i < n; i += CHUNK) {
        const int64_t m = PPQ_MIN(n - i, (int64_t) CHUNK);
        if (exact) {
            int64_t v[CHUNK];
            ppq_load_i64(src, i, m, v);
            ppq_store_i64(dst, i, m, v);
        } else {
            double v[CHUNK];
            ppq_load_f64(src, i, m, v);
            ppq_store_f64(dst, i, m, v, mode);
        }
    }
}
