#include "executor/engine/rules/window_2d.h"

#include <assert.h>

ppq_window_2d ppq_window_2d_of(const ppq_dnnl_window *w, const ppq_shape *src, const ppq_shape *dst)
{
    ppq_window_2d to = { .src_size = { 1, 1 },
                         .dst_size = { 1, 1 },
                         .kernel = { 1, 1 },
                         .stride = { 1, 1 },
                         .dilation = { 1, 1 } };
    assert(w->n == 1 || w->n == 2);
    for (int i = 0, at = 2 - w->n; i < w->n; i++, at++) {
        to.src_size[at] = src->dim[2 + i];
        to.dst_size[at] = dst->dim[2 + i];
        to.kernel[at] = w->kernel[i];
        to.stride[at] = w->stride[i];
        to.dilation[at] = w->dilation[i];
        to.pad_lo[at] = w->pad_lo[i];
    }
    return to;
}
