#include <inttypes.h>
#include <string.h>

#include "executor/ops/move.h"
#include "executor/ops/scatter.h"

// The slices of data at the coordinates in the last dimension of indices, after batch_dims common
// dimensions.

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0), *idx = ppq_args_shape(a, 1);
    const int64_t batch = ppq_op_attr_int(ppq_args_op(a), "batch_dims", 0);
    *out = ppq_shape_unknown(-1);
    if (x->rank < 0 || idx->rank < 0)
        return PPQ_OK;
    if (idx->rank == 0)
        return ppq_args_fail(a, "indices are a scalar");
    const int64_t depth = idx->dim[idx->rank - 1];
    if (batch < 0 || batch >= PPQ_MIN(x->rank, idx->rank) || depth > x->rank - batch)
        return ppq_args_fail(a,
                             "batch_dims %" PRId64 " and indices of %" PRId64
                             " coordinates do not fit data of rank %d",
                             batch, depth, x->rank);
    if (depth < 0)
        return PPQ_OK;
    const int rest = x->rank - (int) batch - (int) depth;
    PPQ_TRY(ppq_args_out_rank(a, idx->rank - 1 + rest));
    out->rank = 0;
    for (int i = 0; i < idx->rank - 1; i++) {
        if (i < batch && !ppq_dim_merge(idx->dim[i], x->dim[i], &out->dim[i]))
            return ppq_args_fail(
                a, "batch dimension %d is %" PRId64 " in data and %" PRId64 " in indices", i,
                x->dim[i], idx->dim[i]);
        if (i >= batch)
            out->dim[i] = idx->dim[i];
        out->rank++;
    }
    for (int i = x->rank - rest; i < x->rank; i++)
        out->dim[out->rank++] = x->dim[i];
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_plan(c, plan);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    ppq_shape out;
    ppq_places p;
    PPQ_TRY(ppq_run_plan(c, plan, &out));
    if (ppq_shape_numel(&out) == 0)
        return PPQ_OK;
    PPQ_TRY(ppq_places_slices(c, (int) ppq_op_attr_int(c->op, "batch_dims", 0), &p));
    const int64_t *at = ppq_tensor_data(&p.offsets);
    const size_t bytes = (size_t) p.slice * ppq_dtype_size(c->in[0]->dtype);
    for (int64_t i = 0; i < p.n; i++)
        memcpy(ppq_element(&c->out[0], i * p.slice), ppq_element(c->in[0], at[i]), bytes);
    ppq_tensor_unref(&p.offsets);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_gather_nd = {
    .type = "GatherND",
    .domain = "",
    .opset_min = 11,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .fp32_in = 0x2, // indices
    .infer = infer,
    .forward = forward,
};
