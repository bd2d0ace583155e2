#include "executor/ops/pool.h"

// Y = the largest element of each channel of each sample.

static double largest(const ppq_real *r, const void *x, int64_t n, const ppq_op *op)
{
    (void) op;
    return r->max(x, n);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    return ppq_global_pool_run(c, largest);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

// The first of the largest gets it all.
static void spread(const float *x, float *dx, int64_t n, float g)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    dx[best] = g;
}

static ppq_status backward(ppq_backward_ctx *c)
{
    return ppq_global_pool_backward(c, spread);
}

const ppq_op_def ppq_op_global_max_pool = {
    .type = "GlobalMaxPool",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .infer = ppq_global_pool_infer,
    .forward = forward,
    .backward = backward,
};
