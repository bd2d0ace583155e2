#include <inttypes.h>

#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/move.h"

// The input broadcast together with the shape in the second input.

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0), *s = ppq_args_shape(a, 1);
    int64_t want[PPQ_MAX_RANK], n;
    PPQ_TRY(ppq_args_ints(a, 1, want, PPQ_MAX_RANK, &n));
    *out = ppq_shape_unknown(-1);
    if (n < 0) {
        if (s->rank == 1 && s->dim[0] >= 0 && s->dim[0] <= PPQ_MAX_RANK && x->rank >= 0)
            *out = ppq_shape_unknown(PPQ_MAX((int) s->dim[0], x->rank));
        return PPQ_OK;
    }
    ppq_shape to = { .rank = (int32_t) n };
    for (int i = 0; i < to.rank; i++) {
        if (want[i] < 0)
            return ppq_args_fail(a, "dimension %d of the shape is %" PRId64 ", it is at least 0", i,
                                 want[i]);
        to.dim[i] = want[i];
    }
    *out = to;
    if (!ppq_shape_broadcast(out, x)) {
        char b1[192], b2[192];
        return ppq_args_fail(a, "an input of shape %s cannot be broadcast to %s",
                             ppq_shape_str(x, b1, sizeof(b1)), ppq_shape_str(&to, b2, sizeof(b2)));
    }
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_plan(c, plan);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_tensor *x = c->in[0];
    ppq_shape out;
    PPQ_TRY(ppq_run_plan(c, plan, &out));
    int64_t stride[PPQ_MAX_RANK];
    ppq_broadcast_strides(&x->shape, &out, stride);
    ppq_copy_dense(ppq_tensor_data(&c->out[0]), ppq_tensor_data(x), stride, out.dim, out.rank,
                   ppq_dtype_size(x->dtype));
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_expand = {
    .type = "Expand",
    .domain = "",
    .opset_min = 8,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .soi_in = 0x2, // shape
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_sum,
};
