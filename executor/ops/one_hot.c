#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"
#include "executor/ops/move.h"

// A new dimension of size depth at `axis`: values[1] where its index is the one in the input,
// values[0] elsewhere.

static ppq_status plan(const ppq_args *a, int *axis, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    const ppq_tensor *depth = ppq_args_value(a, 1);
    double n = PPQ_DIM_UNKNOWN;
    *axis = 0;
    *out = ppq_shape_unknown(-1);
    if (depth && (!ppq_const_scalar(depth, &n) || !(n >= 0 && n < 1e15)))
        return ppq_args_fail(a, "depth is not a size");
    if (x->rank < 0)
        return PPQ_OK;
    PPQ_TRY(ppq_args_out_rank(a, x->rank + 1));
    PPQ_TRY(ppq_args_axis(a, ppq_op_attr_int(ppq_args_op(a), "axis", -1), x->rank + 1, axis));
    out->rank = x->rank + 1;
    for (int i = 0, k = 0; i < out->rank; i++)
        out->dim[i] = i == *axis ? (int64_t) n : x->dim[k++];
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_axis_plan(c, 2, plan);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *idx = c->in[0], *values = c->in[2];
    ppq_shape out;
    int axis;
    PPQ_TRY(plan(&a, &axis, &out));
    if (ppq_shape_numel(&values->shape) != 2)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "values has %" PRId64 " elements, expected 2",
                               ppq_shape_numel(&values->shape));
    PPQ_TRY(ppq_run_out(c, 0, values->dtype, &out));
    const size_t es = ppq_dtype_size(values->dtype);
    const int64_t depth = out.dim[axis], n = ppq_shape_numel(&idx->shape);
    const int64_t inner = ppq_dims_product(&out, axis + 1, out.rank);
    ppq_fill(ppq_tensor_data(&c->out[0]), ppq_element(values, 0), ppq_shape_numel(&out), es);
    for (int64_t i = 0; i < n; i++) {
        double v;
        ppq_load_f64(idx, i, 1, &v);
        v = trunc(v) + (v < 0 ? (double) depth : 0);
        if (v >= 0 && v < (double) depth) // others are off everywhere
            memcpy(ppq_element(&c->out[0], (i / inner * depth + (int64_t) v) * inner + i % inner),
                   ppq_element(values, 1), es);
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    if (!ppq_convert_knows(c->in[0]->dtype))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "indices of %s are not supported",
                               ppq_dtype_name(c->in[0]->dtype));
    return ppq_run_moved(c, 2, run);
}

const ppq_op_def ppq_op_one_hot = {
    .type = "OneHot",
    .domain = "",
    .opset_min = 9,
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS,
    .soi_in = 0x7,
    .soi_out = 0x1,
    .infer = infer,
    .forward = forward,
};
