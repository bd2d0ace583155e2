#ifndef PPQ_EXECUTOR_ENGINE_RULES_WINDOW_2D_H
#define PPQ_EXECUTOR_ENGINE_RULES_WINDOW_2D_H

#include "executor/dnnl/compat.h"
#include "executor/engine/kernels/window_2d.h"

// A window of one or two dimensions between images of these shapes, as kernels of our own take it.
ppq_window_2d ppq_window_2d_of(const ppq_dnnl_window *w, const ppq_shape *src,
                               const ppq_shape *dst);

#endif
