#include "executor/ops/stored_product.h"

#include "executor/ops/convert.h"
#include "executor/ops/doubled.h"

ppq_status ppq_infer_stored_product(ppq_infer_ctx *c)
{
    const ppq_shape in[] = { c->in_shape[0], c->in_shape[1] };
    ppq_shape out;
    PPQ_TRY(ppq_inner_infer(c, "MatMul", in, 2, &out));
    return ppq_infer_out(c, 0, PPQ_DT_F32, &out);
}

static ppq_status finish(ppq_kernel_ctx *c, ppq_tensor *y, int slot)
{
    const ppq_tensor *bias = slot < c->op->n_in ? c->in[slot] : NULL;
    const int64_t n = ppq_shape_numel(&y->shape);
    const int64_t columns = y->shape.rank > 0 ? y->shape.dim[y->shape.rank - 1] : 1;
    if (bias && (bias->dtype != PPQ_DT_F32 || ppq_shape_numel(&bias->shape) != columns))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the bias is not one float32 per column");
    for (int64_t i = 0; bias && i < n; i++)
        ppq_f64(y)[i] += (double) ppq_f32(bias)[i % columns];
    PPQ_TRY(ppq_run_out(c, 0, PPQ_DT_F32, &y->shape));
    ppq_convert(y, &c->out[0], PPQ_CONVERT_DEFAULT);
    return PPQ_OK;
}

ppq_status ppq_run_stored_product(ppq_kernel_ctx *c, const ppq_tensor *a, ppq_stored_arg b,
                                  int bias)
{
    ppq_tensor in[2] = { *a, { 0 } }, y = { 0 };
    ppq_status st = ppq_stored_load(c, b, &in[1]);
    if (st == PPQ_OK)
        st = ppq_inner_eval_bare(c, "MatMul", in, 2, &y);
    if (st == PPQ_OK)
        st = finish(c, &y, bias);
    ppq_tensor_unref(&in[1]);
    ppq_tensor_unref(&y);
    return st;
}
