#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/move.h"

// A matrix: the dimensions before `axis` as rows, the others as columns.

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    const int64_t axis = ppq_op_attr_int(ppq_args_op(a), "axis", 1);
    *out = ppq_shape_unknown(2);
    if (x->rank < 0)
        return PPQ_OK;
    int k = x->rank;
    if (axis != x->rank)
        PPQ_TRY(ppq_args_axis(a, axis, x->rank, &k));
    out->dim[0] = ppq_dims_product(x, 0, k);
    out->dim[1] = ppq_dims_product(x, k, x->rank);
    return PPQ_OK;
}

COPY_PLAN(plan)

const ppq_op_def ppq_op_flatten = {
    .type = "Flatten",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_copy,
};
