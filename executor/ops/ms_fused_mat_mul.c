#include "executor/ops/convert.h"
#include "executor/ops/move.h"
#include "executor/ops/real.h"
#include "executor/ops/stored.h"

// alpha * A' B' where the last two dimensions (transA, transB) and the batch dimensions and the row
// dimension (transBatchA, transBatchB) of each may be exchanged first.

static void permutation(const ppq_op *op, int slot, int rank, int *perm)
{
    const bool batch = ppq_op_attr_int(op, slot ? "transBatchB" : "transBatchA", 0) != 0;
    const bool matrix = ppq_op_attr_int(op, slot ? "transB" : "transA", 0) != 0;
    for (int i = 0; i < rank; i++)
        perm[i] = i;
    for (int i = 0; batch && i < rank - 1; i++)
        perm[i] = i + 1 < rank - 1 ? i + 1 : 0;
    if (matrix && rank >= 2) {
        const int last = perm[rank - 1];
        perm[rank - 1] = perm[rank - 2];
        perm[rank - 2] = last;
    }
}

static ppq_shape permuted(const ppq_shape *s, const int *perm)
{
    ppq_shape r = *s;
    for (int i = 0; i < s->rank; i++)
        r.dim[i] = s->dim[perm[i]];
    return r;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    ppq_shape in[2], out;
    int perm[PPQ_MAX_RANK];
    PPQ_TRY(ppq_infer_floats(c, 2, 2));
    for (int i = 0; i < 2; i++) {
        permutation(c->op, i, c->in_shape[i].rank, perm);
        in[i] = permuted(&c->in_shape[i], perm);
    }
    PPQ_TRY(ppq_inner_infer(c, "MatMul", in, 2, &out));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

static ppq_status arrange(ppq_kernel_ctx *c, int slot, ppq_tensor *out)
{
    const ppq_tensor *x = c->in[slot];
    int perm[PPQ_MAX_RANK];
    int64_t stride[PPQ_MAX_RANK], from[PPQ_MAX_RANK];
    permutation(c->op, slot, x->shape.rank, perm);
    const ppq_shape s = permuted(&x->shape, perm);
    if (ppq_tensor_alloc_pool(out, x->dtype, &s, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate a transposed copy");
    ppq_shape_strides(&x->shape, stride);
    for (int i = 0; i < s.rank; i++)
        from[i] = stride[perm[i]];
    ppq_copy_dense(ppq_tensor_data(out), ppq_tensor_data(x), from, s.dim, s.rank,
                   ppq_dtype_size(x->dtype));
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    ppq_tensor in[2] = { { 0 } }, y = { 0 };
    const double alpha = (double) ppq_op_attr_float(c->op, "alpha", 1);
    ppq_status st = arrange(c, 0, &in[0]);
    if (st == PPQ_OK)
        st = arrange(c, 1, &in[1]);
    if (st == PPQ_OK)
        st = ppq_inner_eval_bare(c, "MatMul", in, 2, &y);
    if (st == PPQ_OK)
        st = ppq_run_out(c, 0, y.dtype, &y.shape);
    for (int64_t i = 0; st == PPQ_OK && i < ppq_shape_numel(&y.shape); i++) {
        double v;
        ppq_load_f64(&y, i, 1, &v);
        v *= alpha;
        ppq_store_f64(&c->out[0], i, 1, &v, PPQ_CONVERT_DEFAULT);
    }
    ppq_tensor_unref(&in[0]);
    ppq_tensor_unref(&in[1]);
    ppq_tensor_unref(&y);
    return st;
}

const ppq_op_def ppq_op_ms_fused_mat_mul = MICROSOFT_DEF("FusedMatMul", 2, 2);
