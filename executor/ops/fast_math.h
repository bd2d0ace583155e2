#ifndef PPQ_EXECUTOR_OPS_FAST_MATH_H
#define PPQ_EXECUTOR_OPS_FAST_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

// Float functions without branches and tables, so that loops over them become vector code; within
// 2 units in the last place of the exact result, and the same on every machine. NaN stays NaN.
// The macros fast_x(v) use them for float and the C library for double.

static inline float ppq_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

static inline uint32_t ppq_to_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    return bits;
}

// e^x = 2^n * e^r with |r| <= ln 2 / 2.
static inline float ppq_expf(float x)
{
    const float shift = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer
    float v = x < -104.0f ? -104.0f : x;
    v = v > 89.0f ? 89.0f : v;
    const float t = v * 1.44269504f + shift, n = t - shift;
    const float r = (v - n * 0.693359375f) + n * 2.12194440e-4f; // ln 2 in two parts
    float p = 1.395171725e-3f;
    p = p * r + 8.369598410e-3f;
    p = p * r + 4.166618728e-2f;
    p = p * r + 1.666651289e-1f;
    p = p * r + 5.000000101e-1f;
    p = p * r * r + r + 1.0f;
    // In two steps, for results that are subnormal or infinite.
    const uint32_t k = ppq_to_bits(t) - ppq_to_bits(shift); // n, wrapped when negative
    const uint32_t half = (k + 512u) / 2u - 256u;
    return p * ppq_from_bits((half + 127u) << 23) * ppq_from_bits((k - half + 127u) << 23);
}

// e^x - 1 without cancellation near 0.
static inline float ppq_expm1f(float x)
{
    float p = 1.999289629e-4f;
    p = p * x + 1.399745676e-3f;
    p = p * x + 8.333073005e-3f;
    p = p * x + 4.166531547e-2f;
    p = p * x + 1.666666801e-1f;
    p = p * x + 5.000000417e-1f;
    const float near = p * x * x + x, far = ppq_expf(x) - 1.0f;
    return fabsf(x) < 0.5f ? near : far;
}

static inline float ppq_tanhf(float x)
{
    const float a = fabsf(x), t = x * x;
    float p = 2.231061045e-3f;
    p = p * t - 8.267087541e-3f;
    p = p * t + 2.173443837e-2f;
    p = p * t - 5.395247532e-2f;
    p = p * t + 1.333324779e-1f;
    p = p * t - 3.333333178e-1f;
    const float near = p * t * x + x;
    const float far = copysignf(1.0f - 2.0f / (ppq_expf(2.0f * a) + 1.0f), x);
    return a < 0.6f ? near : far;
}

static inline float ppq_erff(float x)
{
    const float a = fabsf(x), t = x * x;
    float p = 7.889119521e-5f;
    p = p * t - 8.020841277e-4f;
    p = p * t + 5.189535339e-3f;
    p = p * t - 2.685444459e-2f;
    p = p * t + 1.128360018e-1f;
    p = p * t - 3.761262714e-1f;
    p = p * t + 1.283791670e-1f; // 2 / sqrt(pi) - 1
    const float near = p * x + x;
    // Further out, erf = 1 - e^-q; from 4 on, it rounds to 1.
    const float c = a > 4.0f ? 4.0f : a;
    float q = 2.168684999e-05f;
    q = q * c - 4.413363776e-04f;
    q = q * c + 4.204561877e-03f;
    q = q * c - 2.520825675e-02f;
    q = q * c + 1.084185774e-01f;
    q = q * c + 6.332198931e-01f;
    q = q * c + 1.129578424e+00f;
    q = q * c - 1.880402319e-04f;
    const float far = copysignf(1.0f - ppq_expf(-q), x);
    return a < 1.0f ? near : far;
}

// ln(1 + x) for x in [0, 1].
static inline float ppq_log1pf_unit(float x)
{
    float p = -3.338730863e-3f;
    p = p * x + 2.027777040e-2f;
    p = p * x - 5.775914467e-2f;
    p = p * x + 1.068453725e-1f;
    p = p * x - 1.535327790e-1f;
    p = p * x + 1.969245488e-1f;
    p = p * x - 2.495734715e-1f;
    p = p * x + 3.333027567e-1f;
    p = p * x - 4.999991418e-1f;
    p = p * x + 9.999999960e-1f;
    return p * x;
}

#define fast_exp(x)        _Generic((x), float : ppq_expf, default : exp)(x)
#define fast_expm1(x)      _Generic((x), float : ppq_expm1f, default : expm1)(x)
#define fast_tanh(x)       _Generic((x), float : ppq_tanhf, default : tanh)(x)
#define fast_erf(x)        _Generic((x), float : ppq_erff, default : erf)(x)
#define fast_log1p_unit(x) _Generic((x), float : ppq_log1pf_unit, default : log1p)(x)

// x * P(a standard normal variable <= x).
#define fast_gelu(x)                                   \
    _Generic((x), float : 0.5f, default : 0.5) * (x) * \
        (1 + fast_erf((x) * _Generic((x), float : 0.70710678f, default : 0.70710678118654752440)))

// The usual formula for it, x / 2 * (1 + tanh u), as x / (1 + e^(-2 u)).
static inline float ppq_gelu_tanhf(float x)
{
    return x / (1 + ppq_expf(-1.59576912f * (x + 0.044715f * x * x * x)));
}

static inline double ppq_gelu_tanh(double x)
{
    return x / (1 + exp(-1.59576912160573071176 * (x + 0.044715 * x * x * x)));
}

#define fast_gelu_tanh(x) _Generic((x), float : ppq_gelu_tanhf, default : ppq_gelu_tanh)(x)

// ln(1 + e^x) without overflow.
#define fast_softplus(x) (((x) > 0 ? (x) : 0) + fast_log1p_unit(fast_exp(-fabs(x))))

#endif
