#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_WINDOW_2D_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_WINDOW_2D_H

#include "core/base.h"

// A window that slides over an image: of a convolution or a pool. Everything is height, then width;
// 1D is an image of height 1. How far the last windows reach beyond the image follows from that.
typedef struct ppq_window_2d {
    int64_t src_size[2], dst_size[2];
    int64_t kernel[2], stride[2];
    int64_t dilation[2]; // 1 is dense
    int64_t pad_lo[2];   // positions before the image
} ppq_window_2d;

// Positions of the source from the first to the last that one window has along dimension d.
static inline int64_t ppq_window_2d_extent(const ppq_window_2d *w, int d)
{
    return (w->kernel[d] - 1) * w->dilation[d] + 1;
}

static inline int64_t ppq_window_2d_taps(const ppq_window_2d *w)
{
    return w->kernel[0] * w->kernel[1];
}

static inline int64_t ppq_window_2d_src_pixels(const ppq_window_2d *w)
{
    return w->src_size[0] * w->src_size[1];
}

static inline int64_t ppq_window_2d_dst_pixels(const ppq_window_2d *w)
{
    return w->dst_size[0] * w->dst_size[1];
}

#endif
