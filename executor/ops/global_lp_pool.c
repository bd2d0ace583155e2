#include <math.h>

#include "executor/ops/pool.h"

// Y = the p-norm of each channel of each sample.

static ppq_status infer(ppq_infer_ctx *c)
{
    const int64_t p = ppq_op_attr_int(c->op, "p", 2);
    if (p < 1)
        return ppq_infer_fail(c, "p is %lld, expected 1 or more", (long long) p);
    return ppq_global_pool_infer(c);
}

static double norm(const ppq_real *r, const void *x, int64_t n, const ppq_op *op)
{
    const double p = (double) ppq_op_attr_int(op, "p", 2);
    return pow(r->sum_pow(x, n, 1, p), 1 / p);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    return ppq_global_pool_run(c, norm);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_global_lp_pool = {
    .type = "GlobalLpPool",
    .domain = "",
    .opset_min = 2,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
