#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_DEPTHWISE_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_DEPTHWISE_H

#include "core/diag.h"
#include "executor/engine/kernels/cpu.h"
#include "executor/engine/kernels/q8.h"
#include "executor/engine/kernels/window_2d.h"

// Depthwise convolution of bytes in nhwc order, one output channel per input channel:
//     acc  = sum over the window of (src - src.zero) * weight     exact, in int32
//     real = scale[c] * acc + bias[c]                             float32, not fused
//     dst  = clamp(rint(real) + dst.zero, dst.qmin, dst.qmax)     or clamp(real, lo, hi) as float32
// with scale[c] = src.scale * wei_scale[c] / dst.scale and bias[c] = bias / dst.scale, computed in
// double when it is prepared (dst.scale is 1 for float results). Positions outside of the image
// count as the zero point. A channel multiplier above 1 is not supported: repeat the channels, or
// use another implementation.

typedef struct ppq_depthwise_desc {
    int64_t channels;
    ppq_window_2d win;
    ppq_q8 src;
    const int8_t *weights;  // channels x kernel height x kernel width
    const float *wei_scale; // n_wei_scale is 1 or `channels`
    int64_t n_wei_scale;
    const float *bias; // real units, per channel; NULL: none
    bool to_float;
    ppq_q8 dst;   // unless to_float
    float lo, hi; // of float results; may be infinite
} ppq_depthwise_desc;

// Immutable once prepared: any number of threads may run it.
typedef struct ppq_depthwise ppq_depthwise;

// Copies what it needs. PPQ_ERR_UNSUPPORTED beyond 1024 weights per channel, PPQ_ERR_NOMEM.
PPQ_NODISCARD ppq_status ppq_depthwise_prepare(const ppq_depthwise_desc *desc, ppq_isa isa,
                                               ppq_depthwise **out, ppq_diag *d);
void ppq_depthwise_destroy(ppq_depthwise *k); // NULL is fine

// Rows [row_lo, row_hi) of the result, counted through all images of a batch: row r is row
// r % dst height of image r / dst height. src and dst are the first bytes of the batch. Different
// rows may be made by different threads.
void ppq_depthwise_run(const ppq_depthwise *k, const void *src, void *dst, int64_t row_lo,
                       int64_t row_hi);

#endif
