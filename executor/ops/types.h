#ifndef PPQ_EXECUTOR_OPS_TYPES_H
#define PPQ_EXECUTOR_OPS_TYPES_H

#include <math.h>

#include "core/tensor.h"

// Lists of the element types C can calculate with: X(suffix of PPQ_DT_, C type, ...).

#define TYPES_UNSIGNED(X, ...)  \
    X(U8, uint8_t, __VA_ARGS__) \
    X(U16, uint16_t, __VA_ARGS__) X(U32, uint32_t, __VA_ARGS__) X(U64, uint64_t, __VA_ARGS__)
#define TYPES_SIGNED(X, ...)   \
    X(I8, int8_t, __VA_ARGS__) \
    X(I16, int16_t, __VA_ARGS__) X(I32, int32_t, __VA_ARGS__) X(I64, int64_t, __VA_ARGS__)
#define TYPES_INT(X, ...)   TYPES_SIGNED(X, __VA_ARGS__) TYPES_UNSIGNED(X, __VA_ARGS__)
#define TYPES_FLOAT(X, ...) X(F32, float, __VA_ARGS__) X(F64, double, __VA_ARGS__)
#define TYPES_REAL(X, ...)  TYPES_FLOAT(X, __VA_ARGS__) TYPES_INT(X, __VA_ARGS__)

static inline bool ppq_dtype_is_half(ppq_dtype dt)
{
    return dt == PPQ_DT_F16 || dt == PPQ_DT_BF16;
}

// Integers of any width, bool among them.
static inline bool ppq_dtype_is_integer(ppq_dtype dt)
{
    return (dt >= PPQ_DT_U8 && dt <= PPQ_DT_I64) || dt == PPQ_DT_BOOL || dt == PPQ_DT_U32 ||
           dt == PPQ_DT_U64 || dt == PPQ_DT_U4 || dt == PPQ_DT_I4 || dt == PPQ_DT_U2 ||
           dt == PPQ_DT_I2;
}

// A double within an integer type of `bits`; NaN is 0.
static inline double ppq_fit_integer(double v, unsigned bits, bool is_signed)
{
    const double limit = is_signed ? ldexp(1.0, (int) bits - 1) : ldexp(1.0, (int) bits);
    const double low = is_signed ? -limit : 0;
    const double high = bits > 53 ? nextafter(limit, 0.0) : limit - 1;
    return isnan(v) ? 0 : v < low ? low : v > high ? high : v;
}

// A double as any real type: integers saturate.
#define TYPES_FIT(type, v)                                                                \
    ((type) 0.5 == 0                                                                      \
         ? (type) ppq_fit_integer((v), (unsigned) sizeof(type) * 8, (type) -1 < (type) 1) \
         : (type) (v))

#endif
