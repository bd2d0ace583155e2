#include <inttypes.h>

#include "executor/ops/scatter.h"

// data with the slices of updates put at the coordinates in the last dimension of indices.

static ppq_status check(const ppq_args *a)
{
    const ppq_shape *x = ppq_args_shape(a, 0), *idx = ppq_args_shape(a, 1);
    if (idx->rank == 0)
        return ppq_args_fail(a, "indices are a scalar");
    if (x->rank >= 0 && idx->rank > 0 && idx->dim[idx->rank - 1] > x->rank)
        return ppq_args_fail(a, "indices of %" PRId64 " coordinates do not fit data of rank %d",
                             idx->dim[idx->rank - 1], x->rank);
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    PPQ_TRY(check(&a));
    return ppq_infer_scatter(c);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    ppq_places p;
    PPQ_TRY(check(&a));
    PPQ_TRY(ppq_places_slices(c, 0, &p));
    const ppq_status st = ppq_run_scatter(c, &p);
    ppq_tensor_unref(&p.offsets);
    return st;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_scatter_typed(c, run);
}

const ppq_op_def ppq_op_scatter_nd = {
    .type = "ScatterND",
    .domain = "",
    .opset_min = 11,
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x2, // indices
    .infer = infer,
    .forward = forward,
};
