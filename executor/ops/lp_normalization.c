#include <math.h>

#include "executor/ops/norm.h"

// Y = X / norm(X) along an axis, with the 1-norm or the 2-norm. A zero row stays zero.

static ppq_status infer(ppq_infer_ctx *c)
{
    const int64_t p = ppq_op_attr_int(c->op, "p", 2);
    if (p != 1 && p != 2)
        return ppq_infer_fail(c, "p is %lld, expected 1 or 2", (long long) p);
    return ppq_infer_along_axis(c, -1);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_real *r = ppq_real_of(c);
    if (!r)
        return PPQ_ERR_UNSUPPORTED;
    const int64_t p = ppq_op_attr_int(c->op, "p", 2);
    const ppq_axis_split s = ppq_split_at(&c->in[0]->shape, ppq_run_axis(c, -1));
    if (ppq_shape_numel(&c->in[0]->shape) == 0)
        return PPQ_OK;
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t k = 0; k < s.inner; k++) {
            const int64_t at = o * s.size * s.inner + k;
            const void *x = ppq_at(r, c->in[0], at);
            const double sum = r->sum_pow(x, s.size, s.inner, (double) p);
            const double norm = p == 2 ? sqrt(sum) : sum;
            r->scale(ppq_at(r, &c->out[0], at), x, s.size, s.inner, norm > 0 ? norm : 1);
        }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_lp_normalization = {
    .type = "LpNormalization",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
