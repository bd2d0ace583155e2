#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/move.h"

// The slices of data along `axis` that indices name.

static ppq_status plan(const ppq_args *a, int *axis, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0), *idx = ppq_args_shape(a, 1);
    *axis = 0;
    *out = ppq_shape_unknown(-1);
    if (x->rank >= 0)
        PPQ_TRY(ppq_args_axis(a, ppq_op_attr_int(ppq_args_op(a), "axis", 0), x->rank, axis));
    if (x->rank < 0 || idx->rank < 0)
        return PPQ_OK;
    PPQ_TRY(ppq_args_out_rank(a, x->rank + idx->rank - 1));
    out->rank = 0;
    for (int i = 0; i < *axis; i++)
        out->dim[out->rank++] = x->dim[i];
    for (int i = 0; i < idx->rank; i++)
        out->dim[out->rank++] = idx->dim[i];
    for (int i = *axis + 1; i < x->rank; i++)
        out->dim[out->rank++] = x->dim[i];
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_axis_plan(c, 0, plan);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *x = c->in[0];
    ppq_shape out;
    int axis;
    PPQ_TRY(plan(&a, &axis, &out));
    PPQ_TRY(ppq_run_out(c, 0, x->dtype, &out));
    ppq_tensor idx;
    PPQ_TRY(ppq_run_indices(c, 1, x->shape.dim[axis], &idx));
    const int64_t *at = ppq_tensor_data(&idx), n = ppq_shape_numel(&c->in[1]->shape);
    const int64_t rows = ppq_dims_product(&x->shape, 0, axis);
    const size_t part =
        (size_t) ppq_dims_product(&x->shape, axis + 1, x->shape.rank) * ppq_dtype_size(x->dtype);
    const size_t row = (size_t) x->shape.dim[axis] * part;
    const unsigned char *src = ppq_tensor_data(x);
    unsigned char *dst = ppq_tensor_data(&c->out[0]);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++, dst += part)
            memcpy(dst, src + (size_t) r * row + (size_t) at[i] * part, part);
    ppq_tensor_unref(&idx);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_gather = {
    .type = "Gather",
    .domain = "",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .fp32_in = 0x2, // indices
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_moved,
};
