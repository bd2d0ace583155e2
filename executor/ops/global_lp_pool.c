#include <math.h>

#include "executor/ops/pool.h"
#include "executor/ops/real.h"

// Y = the p-norm of each channel of each sample.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 1, 1));
    const int64_t p = ppq_op_attr_int(c->op, "p", 2);
    if (p < 1)
        return ppq_infer_fail(c, "p is %lld, expected 1 or more", (long long) p);
    return ppq_global_pool_infer(c);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_real *r = ppq_real_of(c);
    if (!r)
        return PPQ_ERR_UNSUPPORTED;
    const double p = (double) ppq_op_attr_int(c->op, "p", 2);
    int64_t planes, size;
    ppq_global_pool_size(c->in[0], &planes, &size);
    for (int64_t i = 0; i < planes; i++)
        r->store(ppq_tensor_data(&c->out[0]), i,
                 pow(r->sum_pow(ppq_at(r, c->in[0], i * size), size, 1, p), 1 / p));
    return PPQ_OK;
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
