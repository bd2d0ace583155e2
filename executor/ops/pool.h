#ifndef PPQ_EXECUTOR_OPS_POOL_H
#define PPQ_EXECUTOR_OPS_POOL_H

#include "executor/ops/backward.h"
#include "executor/ops/real.h"
#include "executor/ops/window.h"

// Pools over a sliding window: everything but what happens inside one window.

// The input elements that one output element is made of: `n_rows` rows that begin at
// rows[i].src within the plane, and in each the `n_cols` columns first, first + step, ...
typedef struct ppq_pool_view {
    const ppq_tap *rows;
    int64_t n_rows, first, n_cols, step;
    double n_padded; // window positions, counting those in the padding
    int64_t plane;   // index of the sample and channel
} ppq_pool_view;

// Reduces the window of plane `x` to y[i].
typedef void (*ppq_pool_fn)(const ppq_pool_view *v, const void *x, void *y, int64_t i,
                            const void *user);

// Shape and type of output 0.
ppq_status ppq_pool_infer(ppq_infer_ctx *c);
ppq_status ppq_pool_run(ppq_kernel_ctx *c, ppq_pool_fn reduce, const void *user);

// Hands the gradient of every output element to its window: `spread` adds to dx, a plane of the
// gradient of x, what g, the gradient of the output element, tells.
typedef void (*ppq_pool_spread)(const ppq_pool_view *v, const float *x, float *dx, float g,
                                const void *user);
ppq_status ppq_pool_backward(ppq_backward_ctx *c, ppq_pool_spread spread, const void *user);

// Pools over everything: N x C x 1 x ... x 1, floats.
ppq_status ppq_global_pool_infer(ppq_infer_ctx *c);
// What becomes of a plane of n elements.
typedef double (*ppq_global_pool_fn)(const ppq_real *r, const void *x, int64_t n, const ppq_op *op);
ppq_status ppq_global_pool_run(ppq_kernel_ctx *c, ppq_global_pool_fn reduce);
// Hands g, the gradient of what became of plane x, to dx, the gradient of the plane: zeros as yet.
typedef void (*ppq_global_pool_spread)(const float *x, float *dx, int64_t n, float g);
ppq_status ppq_global_pool_backward(ppq_backward_ctx *c, ppq_global_pool_spread spread);

#endif
