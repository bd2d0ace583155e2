#include <inttypes.h>

#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/move.h"

// Drops the dimensions `axes`, which are 1; without axes, all that are 1.

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    int64_t axes[PPQ_MAX_RANK], n;
    bool given;
    PPQ_TRY(ppq_args_list(a, 1, "axes", axes, PPQ_MAX_RANK, &n, &given));
    *out = ppq_shape_unknown(-1);
    if (x->rank < 0 || n < 0)
        return PPQ_OK;
    uint32_t drop = 0;
    PPQ_TRY(ppq_args_axes(a, axes, n, x->rank, &drop));
    if (!given) {
        for (int i = 0; i < x->rank; i++) {
            if (x->dim[i] < 0)
                return PPQ_OK; // might be 1
            drop |= (x->dim[i] == 1 ? 1u : 0u) << i;
        }
    }
    out->rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (!(drop & 1u << i))
            out->dim[out->rank++] = x->dim[i];
        else if (x->dim[i] > 1 || x->dim[i] == 0)
            return ppq_args_fail(a, "dimension %d is %" PRId64 ", only 1 can be dropped", i,
                                 x->dim[i]);
    }
    return PPQ_OK;
}

COPY_PLAN(plan)

const ppq_op_def ppq_op_squeeze = {
    .type = "Squeeze",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .soi_in = 0x2, // axes
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_copy,
};
