#include <inttypes.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"
#include "executor/ops/move.h"

// Writes an update into a cache along one axis, at an index of its own for every element of the
// batch; circular mode starts again at the front.

static const char *const modes[] = { "linear", "circular", NULL };

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *cache = ppq_args_shape(a, 0), *update = ppq_args_shape(a, 1);
    int axis, mode;
    PPQ_TRY(ppq_args_choice(a, "mode", modes, &mode));
    *out = *cache;
    if (cache->rank < 0)
        return PPQ_OK;
    PPQ_TRY(ppq_args_axis(a, ppq_op_attr_int(ppq_args_op(a), "axis", -2), cache->rank, &axis));
    bool fits = axis > 0 && (update->rank < 0 || update->rank == cache->rank);
    for (int i = 0; fits && i < update->rank; i++) {
        int64_t d;
        fits = i == axis ? cache->dim[i] < 0 || update->dim[i] <= cache->dim[i]
                         : ppq_dim_merge(cache->dim[i], update->dim[i], &d);
    }
    if (fits && ppq_args_dtype(a, 0) != PPQ_DT_NONE && ppq_args_dtype(a, 1) != PPQ_DT_NONE)
        fits = ppq_args_dtype(a, 0) == ppq_args_dtype(a, 1);
    return fits ? PPQ_OK : ppq_args_fail(a, "the update does not fit the cache");
}

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_plan(c, plan);
}

static ppq_status start_of(ppq_kernel_ctx *c, int64_t b, int64_t batch, int64_t *start)
{
    const ppq_tensor *t = c->op->n_in > 2 ? c->in[2] : NULL;
    *start = 0;
    if (!t)
        return PPQ_OK;
    if ((t->dtype != PPQ_DT_I64 && t->dtype != PPQ_DT_I32) || ppq_shape_numel(&t->shape) != batch)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                               "write_indices is not a vector of %" PRId64 " integers", batch);
    ppq_load_i64(t, b, 1, start);
    return PPQ_OK;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *cache = c->in[0], *update = c->in[1];
    ppq_shape out;
    int axis, mode;
    PPQ_TRY(plan(&a, &out));
    PPQ_TRY(ppq_args_choice(&a, "mode", modes, &mode));
    PPQ_TRY(ppq_args_axis(&a, ppq_op_attr_int(c->op, "axis", -2), out.rank, &axis));
    PPQ_TRY(ppq_run_out(c, 0, cache->dtype, &out));
    if (ppq_shape_numel(&out) == 0)
        return PPQ_OK;
    memcpy(ppq_tensor_data(&c->out[0]), ppq_tensor_data(cache), ppq_tensor_bytes(cache));
    const int64_t inner = ppq_dims_product(&out, axis + 1, out.rank);
    const int64_t outer = ppq_dims_product(&out, 0, axis), per_batch = outer / out.dim[0];
    const int64_t room = out.dim[axis], n = update->shape.dim[axis];
    const size_t row = (size_t) inner * ppq_dtype_size(cache->dtype);
    for (int64_t o = 0; o < outer; o++) {
        int64_t start;
        PPQ_TRY(start_of(c, o / per_batch, out.dim[0], &start));
        if (start < 0 || start > INT32_MAX || (mode == 0 && start + n > room))
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                                   "write index %" PRId64 " and %" PRId64
                                   " elements do not fit a cache of %" PRId64,
                                   start, n, room);
        for (int64_t i = 0; i < n; i++)
            memcpy(ppq_element(&c->out[0], (o * room + (start + i) % room) * inner),
                   ppq_element(update, (o * n + i) * inner), row);
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_tensor_scatter = {
    .type = "TensorScatter",
    .domain = "",
    .opset_min = 24,
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .soi_in = 0x4, // write_indices
    .infer = infer,
    .forward = forward,
};
