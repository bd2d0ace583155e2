#include <inttypes.h>

#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/move.h"

// Output dimension i is the input's perm[i]; without perm, in reverse order.

static ppq_status plan(const ppq_args *a, int *perm, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    const int64_t *p;
    const size_t n = ppq_op_attr_ints(ppq_args_op(a), "perm", &p);
    *out = ppq_shape_unknown(x->rank);
    if (x->rank < 0)
        return PPQ_OK;
    if (n && n != (size_t) x->rank)
        return ppq_args_fail(a, "perm has %zu entries, but the input's rank is %d", n, x->rank);
    uint32_t seen = 0;
    for (int i = 0; i < x->rank; i++) {
        const int64_t k = n ? p[i] : x->rank - 1 - i;
        if (k < 0 || k >= x->rank || seen & 1u << k)
            return ppq_args_fail(a, "perm[%d] is %" PRId64 ", not a permutation of [0, %d)", i, k,
                                 x->rank);
        seen |= 1u << k;
        perm[i] = (int) k;
        out->dim[i] = x->dim[k];
    }
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    int perm[PPQ_MAX_RANK];
    ppq_shape out;
    PPQ_TRY(plan(&a, perm, &out));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *x = c->in[0];
    int perm[PPQ_MAX_RANK];
    ppq_shape out;
    PPQ_TRY(plan(&a, perm, &out));
    PPQ_TRY(ppq_run_out(c, 0, x->dtype, &out));
    int64_t own[PPQ_MAX_RANK], stride[PPQ_MAX_RANK];
    ppq_shape_strides(&x->shape, own);
    for (int i = 0; i < out.rank; i++)
        stride[i] = own[perm[i]];
    ppq_copy_dense(ppq_tensor_data(&c->out[0]), ppq_tensor_data(x), stride, out.dim, out.rank,
                   ppq_dtype_size(x->dtype));
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_transpose = {
    .type = "Transpose",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_moved,
};
