#include <inttypes.h>

#include "executor/ops/args.h"
#include "executor/ops/move.h"

// The input repeated repeats[i] times along dimension i.

static ppq_status plan(const ppq_args *a, int64_t *repeats, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    int64_t n;
    PPQ_TRY(ppq_args_ints(a, 1, repeats, PPQ_MAX_RANK, &n));
    *out = ppq_shape_unknown(x->rank);
    if (n < 0 || x->rank < 0)
        return PPQ_OK;
    if (n != x->rank)
        return ppq_args_fail(a, "repeats has %" PRId64 " entries, but the input's rank is %d", n,
                             x->rank);
    for (int i = 0; i < x->rank; i++) {
        if (repeats[i] < 0)
            return ppq_args_fail(a, "repeats[%d] is %" PRId64 ", it is at least 0", i, repeats[i]);
        out->dim[i] = ppq_dim_mul(x->dim[i], repeats[i]);
        if (x->dim[i] >= 0 && out->dim[i] < 0)
            return ppq_args_fail(a,
                                 "repeats[%d] is %" PRId64 ", too large for a dimension of "
                                 "%" PRId64,
                                 i, repeats[i], x->dim[i]);
    }
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    int64_t repeats[PPQ_MAX_RANK];
    ppq_shape out;
    PPQ_TRY(plan(&a, repeats, &out));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *x = c->in[0];
    int64_t repeats[PPQ_MAX_RANK], own[PPQ_MAX_RANK], dim[PPQ_MOVE_RANK], stride[PPQ_MOVE_RANK];
    ppq_shape out;
    PPQ_TRY(plan(&a, repeats, &out));
    PPQ_TRY(ppq_run_out(c, 0, x->dtype, &out));
    ppq_shape_strides(&x->shape, own);
    for (int i = 0; i < out.rank; i++) { // every dimension becomes (repeat, dimension)
        dim[2 * i] = repeats[i];
        stride[2 * i] = 0;
        dim[2 * i + 1] = x->shape.dim[i];
        stride[2 * i + 1] = own[i];
    }
    ppq_copy_dense(ppq_tensor_data(&c->out[0]), ppq_tensor_data(x), stride, dim, 2 * out.rank,
                   ppq_dtype_size(x->dtype));
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_tile = {
    .type = "Tile",
    .domain = "",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .soi_in = 0x6, // repeats
    .infer = infer,
    .forward = forward,
};
