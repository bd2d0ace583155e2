#include "executor/ops/pool.h"

// Y = the mean of each channel of each sample.

static double mean(const ppq_real *r, const void *x, int64_t n, const ppq_op *op)
{
    (void) op;
    return r->sum(x, n, 1) / (double) n;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    return ppq_global_pool_run(c, mean);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

static void spread(const float *x, float *dx, int64_t n, float g)
{
    (void) x;
    for (int64_t i = 0; i < n; i++)
        dx[i] = (float) ((double) g / (double) n);
}

static ppq_status backward(ppq_backward_ctx *c)
{
    return ppq_global_pool_backward(c, spread);
}

const ppq_op_def ppq_op_global_average_pool = {
    .type = "GlobalAveragePool",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_POOL,
    .infer = ppq_global_pool_infer,
    .forward = forward,
    .backward = backward,
};
