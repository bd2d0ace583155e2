#ifndef PPQ_TESTS_UNIT_KERNEL_WINDOWS_H
#define PPQ_TESTS_UNIT_KERNEL_WINDOWS_H

// Windows for the engine's kernels, in tests and benchmarks.

#include "executor/engine/kernels/window_2d.h"

// How many results there are along dimension d with so much padding behind the image; 0: the
// window does not fit.
static inline int64_t count_results(const ppq_window_2d *w, int d, int64_t pad_hi)
{
    const int64_t room = w->src_size[d] + w->pad_lo[d] + pad_hi - ppq_window_2d_extent(w, d);
    return room < 0 ? 0 : room / w->stride[d] + 1;
}

// A dense square window with the same padding on all sides.
static inline ppq_window_2d square_window(int64_t height, int64_t width, int64_t size,
                                          int64_t stride, int64_t pad)
{
    ppq_window_2d w = { .src_size = { height, width },
                        .kernel = { size, size },
                        .stride = { stride, stride },
                        .dilation = { 1, 1 },
                        .pad_lo = { pad, pad } };
    for (int d = 0; d < 2; d++)
        w.dst_size[d] = count_results(&w, d, pad);
    return w;
}

#endif
