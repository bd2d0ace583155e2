#ifndef PPQ_EXECUTOR_DNNL_NHWC_H
#define PPQ_EXECUTOR_DNNL_NHWC_H

#include "executor/dnnl/run.h"

// For the kernels in plain C that exist to keep a convolutional network channels-last.

typedef struct ppq_nhwc {
    int64_t batch, pixels, channels;
} ppq_nhwc;

static inline ppq_nhwc ppq_nhwc_of(const ppq_shape *s)
{
    return (ppq_nhwc){ s->dim[0], ppq_product(s->rank - 2, s->dim + 2), s->dim[1] };
}

// Channels are often few: values per channel are repeated this many times, so that a row is long
// enough to be worth a loop.
static inline int64_t ppq_nhwc_repeats(ppq_nhwc d)
{
    return PPQ_MAX(PPQ_MIN(256 / d.channels, d.pixels), 1);
}

static inline void ppq_nhwc_repeat(float *v, ppq_nhwc d, int64_t times)
{
    for (int64_t i = d.channels; i < times * d.channels; i++)
        v[i] = v[i - d.channels];
}

static inline void ppq_nhwc_affine(float *restrict y, const float *restrict x,
                                   const float *restrict scale, const float *restrict shift,
                                   int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * scale[i] + shift[i];
}

// Nothing to prepare.
static inline ppq_status ppq_prepare_nothing(const ppq_kernel_spec *s, void **state, ppq_diag *d)
{
    (void) s;
    (void) d;
    *state = NULL;
    return PPQ_OK;
}

#endif
