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

// Nothing to prepare.
static inline ppq_status ppq_prepare_nothing(const ppq_kernel_spec *s, void **state, ppq_diag *d)
{
    (void) s;
    (void) d;
    *state = NULL;
    return PPQ_OK;
}

#endif
