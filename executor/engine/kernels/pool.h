#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_POOL_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_POOL_H

#include "executor/engine/kernels/cpu.h"
#include "executor/engine/kernels/q8.h"
#include "executor/engine/kernels/window_2d.h"

// Pools over windows of bytes in nhwc order. A global pool is a window of the image's size and a
// result of one pixel.
typedef struct ppq_q8_pool {
    int64_t channels;
    ppq_window_2d win;
    int64_t pad_hi[2]; // positions behind the image that count with include_pad
    ppq_q8 src;
    // Of averages. A maximum has the format of the source.
    ppq_q8 dst;
    bool to_float;    // then dst does not matter
    bool include_pad; // padding counts as real zeros; else only what is inside counts
} ppq_q8_pool;

// Rows [row_lo, row_hi) of the result, counted through all images of a batch as in depthwise.h.
//
// mean = (sum of (q - zero), exact, to float) * (scale / (count, to float)), in float32; the result
// is that, or its byte. Sums are exact for windows of less than 2^22 positions.
void ppq_q8_pool_average(ppq_isa isa, const ppq_q8_pool *k, const void *src, void *dst,
                         int64_t row_lo, int64_t row_hi);
// Windows that are all padding give the lowest byte.
void ppq_q8_pool_max(ppq_isa isa, const ppq_q8_pool *k, const void *src, void *dst, int64_t row_lo,
                     int64_t row_hi);

#endif
