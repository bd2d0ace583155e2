#ifndef PPQ_EXECUTOR_OPS_NORM_H
#define PPQ_EXECUTOR_OPS_NORM_H

#include "executor/ops/backward.h"
#include "executor/ops/real.h"

// Pieces that several normalizations share.

// Input `slot` is a vector of `n` elements (negative: not known).
ppq_status ppq_infer_vector(ppq_infer_ctx *c, int slot, int64_t n);

// Mean and variance of a dense row; zeros when it is empty.
static inline void ppq_moments(const ppq_real *r, const void *x, int64_t n, double *mean,
                               double *variance)
{
    *mean = n ? r->sum(x, n, 1) / (double) n : 0;
    *variance = n ? r->sum_sq(x, n, *mean) / (double) n : 0;
}

// Forward of GroupNormalization: every sample's channels in `groups` groups, with a scale (input 1)
// and a bias (input 2) for each group or for each channel.
ppq_status ppq_run_group_norm(ppq_kernel_ctx *c, int64_t groups, bool per_group);

// The axis attribute, which must lie within rank `rank`.
ppq_status ppq_infer_axis(ppq_infer_ctx *c, int64_t fallback, int rank);

// What stands before, on and behind an axis: element (o, i, k) is at (o * size + i) * inner + k.
typedef struct ppq_axis_split {
    int64_t outer, size, inner;
} ppq_axis_split;
ppq_axis_split ppq_split_at(const ppq_shape *s, int axis);
// The axis attribute of a running operator, normalized.
int ppq_run_axis(const ppq_kernel_ctx *c, int64_t fallback);

// Scale and bias of LayerNormalization and RMSNormalization, laid out so that element i of the
// input uses element i % period. `out` may share `t`'s buffer; the caller unrefs it.
ppq_status ppq_norm_param(ppq_kernel_ctx *c, const ppq_real *r, const ppq_tensor *t, int axis,
                          ppq_tensor *out, int64_t *period);
// `slot` can be broadcast to input 0.
ppq_status ppq_infer_norm_param(ppq_infer_ctx *c, int slot);

// Shape and type of input 0 for output 0, with the axis attribute checked: softmax and its like.
ppq_status ppq_infer_along_axis(ppq_infer_ctx *c, int64_t fallback);
// Applies a row function of ppq_real along the axis.
ppq_status ppq_run_along_axis(ppq_kernel_ctx *c, int64_t fallback, const ppq_real *r,
                              void (*row)(void *y, const void *x, int64_t n, int64_t stride));

// The gradient of softmax, or of its logarithm, along the axis.
ppq_status ppq_softmax_backward(ppq_backward_ctx *c, int64_t fallback, bool logarithm);
// Defines `infer`, `forward` and `backward` of either; `row` is its member of ppq_real.
#define SOFTMAX(row, logarithm)                                                \
    static ppq_status infer(ppq_infer_ctx *c)                                  \
    {                                                                          \
        return ppq_infer_along_axis(c, -1);                                    \
    }                                                                          \
    static ppq_status run(ppq_kernel_ctx *c)                                   \
    {                                                                          \
        const ppq_real *r = ppq_real_of(c);                                    \
        return r ? ppq_run_along_axis(c, -1, r, r->row) : PPQ_ERR_UNSUPPORTED; \
    }                                                                          \
    static ppq_status forward(ppq_kernel_ctx *c)                               \
    {                                                                          \
        return ppq_run_widened(c, run);                                        \
    }                                                                          \
    static ppq_status backward(ppq_backward_ctx *c)                            \
    {                                                                          \
        return ppq_softmax_backward(c, -1, logarithm);                         \
    }
#define SOFTMAX_DEF(op_type)                                                                     \
    {                                                                                            \
        .type = (op_type), .domain = "", .opset_min = 1, .in_min = 1, .in_max = 1, .out_min = 1, \
        .out_max = 1, .infer = infer, .forward = forward, .backward = backward                   \
    }
// dx, the gradient of x, from dx, the gradient of the row (x - mean) / sqrt(variance + epsilon)
// with mean and variance those of x; mean and inv = 1 / sqrt(...) as forward had them.
void ppq_normalize_backward(const float *x, float *dx, int64_t n, double mean, double inv);

#endif
