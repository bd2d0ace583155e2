#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/move.h"

// Inserts dimensions of 1 so that they end up at `axes` of the output.

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    int64_t axes[PPQ_MAX_RANK], n;
    bool given;
    PPQ_TRY(ppq_args_list(a, 1, "axes", axes, PPQ_MAX_RANK, &n, &given));
    *out = ppq_shape_unknown(-1);
    if (x->rank < 0 || n < 0)
        return PPQ_OK;
    const int rank = x->rank + (int) n;
    PPQ_TRY(ppq_args_out_rank(a, rank));
    uint32_t one = 0;
    PPQ_TRY(ppq_args_axes(a, axes, n, rank, &one));
    out->rank = rank;
    for (int i = 0, k = 0; i < rank; i++)
        out->dim[i] = one & 1u << i ? 1 : x->dim[k++];
    return PPQ_OK;
}

COPY_PLAN(plan)

const ppq_op_def ppq_op_unsqueeze = {
    .type = "Unsqueeze",
    .domain = "",
    .opset_min = 1,
    .in_min = 1, // the axes are an attribute before opset 13
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .soi_in = 0x2, // axes
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_copy,
};
