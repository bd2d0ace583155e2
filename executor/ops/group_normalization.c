#include "executor/ops/norm.h"

// Y = (X - mean) / sqrt(var + epsilon) * scale + bias, with the statistics of each group of
// channels of each sample. Before opset 21 scale and bias are per group, from then on per channel.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 3, 3));
    const ppq_shape *x = &c->in_shape[0];
    const int64_t groups = ppq_op_attr_int(c->op, "num_groups", 0);
    if (groups < 1 || groups > INT32_MAX)
        return ppq_infer_fail(c, "num_groups is %lld, expected 1 to %d", (long long) groups,
                              INT32_MAX);
    if (x->rank >= 0 && x->rank < 2)
        return ppq_infer_fail(c, "the input has rank %d, expected 2 to %d", x->rank, PPQ_MAX_RANK);
    const int64_t channels = x->rank < 0 ? PPQ_DIM_UNKNOWN : x->dim[1];
    if (channels >= 0 && channels % groups)
        return ppq_infer_fail(c, "%lld channels cannot be split into %lld groups",
                              (long long) channels, (long long) groups);
    for (int i = 1; i < 3; i++)
        PPQ_TRY(ppq_infer_vector(c, i, c->opset < 21 ? groups : channels));
    return ppq_infer_same(c);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    return ppq_run_group_norm(c, ppq_op_attr_int(c->op, "num_groups", 1), c->opset < 21);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_group_normalization = {
    .type = "GroupNormalization",
    .domain = "",
    .opset_min = 18,
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
