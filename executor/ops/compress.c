#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/move.h"

// The slices along `axis`, or without it the elements, for which condition is true. A condition
// that is too short is false from its end on.

static ppq_status plan(const ppq_args *a, int *axis, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0), *cond = ppq_args_shape(a, 1);
    const bool flat = !ppq_op_attr(ppq_args_op(a), "axis");
    *axis = 0;
    if (cond->rank >= 0 && cond->rank != 1)
        return ppq_args_fail(a, "condition has rank %d, expected 1", cond->rank);
    *out = flat ? ppq_shape_unknown(1) : *x;
    if (flat || x->rank < 0)
        return PPQ_OK;
    PPQ_TRY(ppq_args_axis(a, ppq_op_attr_int(ppq_args_op(a), "axis", 0), x->rank, axis));
    out->dim[*axis] = PPQ_DIM_UNKNOWN;
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
    const uint8_t *cond = ppq_tensor_data(c->in[1]);
    ppq_shape in = x->shape, out;
    int axis;
    PPQ_TRY(plan(&a, &axis, &out));
    if (!ppq_op_attr(c->op, "axis"))
        in = ppq_shape_1d(ppq_shape_numel(&x->shape));
    const int64_t n = PPQ_MIN(c->in[1]->shape.dim[0], in.dim[axis]);
    out.dim[axis] = 0;
    for (int64_t i = 0; i < n; i++)
        out.dim[axis] += cond[i] != 0;
    PPQ_TRY(ppq_run_out(c, 0, x->dtype, &out));
    const int64_t outer = ppq_dims_product(&in, 0, axis);
    const int64_t inner = ppq_dims_product(&in, axis + 1, in.rank);
    const size_t bytes = (size_t) inner * ppq_dtype_size(x->dtype);
    unsigned char *dst = ppq_tensor_data(&c->out[0]);
    for (int64_t o = 0; o < outer && bytes; o++)
        for (int64_t i = 0; i < n; i++)
            if (cond[i]) {
                memcpy(dst, ppq_element(x, (o * in.dim[axis] + i) * inner), bytes);
                dst += bytes;
            }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    if (c->in[1]->dtype != PPQ_DT_BOOL)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "condition is %s, expected bool",
                               ppq_dtype_name(c->in[1]->dtype));
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_compress = {
    .type = "Compress",
    .domain = "",
    .opset_min = 9,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .fp32_in = 0x2, // condition
    .infer = infer,
    .forward = forward,
};
