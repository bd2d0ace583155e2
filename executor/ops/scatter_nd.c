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
    return ppq_run_scatter(c, &p);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_scatter_typed(c, run);
}

const ppq_op_def ppq_op_scatter_nd = SCATTER_DEF("ScatterND");
