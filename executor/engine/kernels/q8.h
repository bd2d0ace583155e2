#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_Q8_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_Q8_H

#include <assert.h>

#include "core/base.h"

// How a byte stands for a real number:
//     x = (q - zero) * scale        q = clamp(rint(x / scale) + zero, qmin, qmax)
// in float32 with a true division and ties to even, as core/quantfn computes it; NaN becomes qmin.
// A range narrower than the type's is legal: a relu is qmin = zero, a relu6 also qmax = q(6). Where
// bytes are only read, the range does not matter.
typedef struct ppq_q8 {
    float scale;              // > 0, finite
    int32_t zero, qmin, qmax; // qmin <= qmax; all in [-128, 127] when signed, else in [0, 255]
    bool is_signed;           // int8, else uint8
} ppq_q8;

static inline ppq_q8 ppq_q8_u8(float scale, int32_t zero)
{
    return (ppq_q8){ scale, zero, 0, 255, false };
}

static inline ppq_q8 ppq_q8_s8(float scale, int32_t zero)
{
    return (ppq_q8){ scale, zero, -128, 127, true };
}

static inline bool ppq_q8_valid(const ppq_q8 *q)
{
    const int32_t lo = q->is_signed ? -128 : 0, hi = lo + 255;
    return q->scale > 0 && q->scale <= 3.4e38f && q->zero >= lo && q->zero <= hi && q->qmin >= lo &&
           q->qmax <= hi && q->qmin <= q->qmax;
}

// The same bytes seen as uint8: int8 with its top bit flipped. Kernels compute on those.
typedef struct ppq_q8_raw {
    float scale;
    int32_t zero, qmin, qmax; // in [0, 255]
    uint8_t flip;             // byte in memory ^ flip = value in [0, 255]
} ppq_q8_raw;

static inline ppq_q8_raw ppq_q8_to_raw(const ppq_q8 *q)
{
    assert(ppq_q8_valid(q));
    const int32_t up = q->is_signed ? 128 : 0;
    return (ppq_q8_raw){ q->scale, q->zero + up, q->qmin + up, q->qmax + up, (uint8_t) up };
}

#endif
