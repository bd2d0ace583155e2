#include "executor/ops/convert.h"
#include "executor/ops/doubled.h"
#include "executor/ops/stored.h"

// Gemm on stored integers: A and B with scale and zero point, C in int32 (of scale a * b), and the
// output stored too, or float32 when its scale is left out. B's scale may be one per
// column of the output.

enum { A, B = 3, C = 6, Y_SCALE, Y_ZERO };

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_shape in[] = { c->in_shape[A], c->in_shape[B] };
    const bool stored = c->op->n_in > Y_SCALE && c->has_in[Y_SCALE];
    ppq_shape out;
    PPQ_TRY(ppq_inner_infer(c, "Gemm", in, 2, &out));
    return ppq_infer_out(c, 0, stored ? c->in_dtype[A] : PPQ_DT_F32, &out);
}

// y = alpha * (A' B' + C * a_scale * b_scale): alpha is in the product already.
static ppq_status add_bias(ppq_kernel_ctx *c, ppq_tensor *y)
{
    const ppq_tensor *bias = c->op->n_in > C ? c->in[C] : NULL;
    if (!bias)
        return PPQ_OK;
    const int64_t columns = y->shape.dim[1], n = ppq_shape_numel(&y->shape);
    const int64_t n_bias = ppq_shape_numel(&bias->shape),
                  n_scale = ppq_shape_numel(&c->in[B + 1]->shape);
    if (bias->dtype != PPQ_DT_I32 || (n_bias != 1 && n_bias != columns && n_bias != n))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "C does not fit the product");
    const double alpha = (double) ppq_op_attr_float(c->op, "alpha", 1);
    for (int64_t i = 0; i < n; i++) {
        double v, a, b;
        ppq_load_f64(bias, i % n_bias, 1, &v);
        ppq_load_f64(c->in[A + 1], 0, 1, &a);
        ppq_load_f64(c->in[B + 1], i % columns % n_scale, 1, &b);
        ppq_f64(y)[i] += alpha * v * a * b;
    }
    return PPQ_OK;
}

static ppq_status finish(ppq_kernel_ctx *c, ppq_tensor *y)
{
    PPQ_TRY(add_bias(c, y));
    if (c->op->n_in > Y_SCALE && c->in[Y_SCALE])
        return ppq_stored_store(c, y, c->in[A]->dtype, Y_SCALE, Y_ZERO);
    PPQ_TRY(ppq_run_out(c, 0, PPQ_DT_F32, &y->shape));
    ppq_convert(y, &c->out[0], PPQ_CONVERT_DEFAULT);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    ppq_tensor in[2] = { { 0 } }, y = { 0 };
    const bool by_row = ppq_op_attr_int(c->op, "transB", 0) != 0;
    ppq_status st = ppq_stored_load(c, (ppq_stored_arg){ A, A + 1, A + 2 }, &in[0]);
    if (st == PPQ_OK)
        st = ppq_stored_load(c, (ppq_stored_arg){ B, B + 1, B + 2, by_row }, &in[1]);
    if (st == PPQ_OK)
        st = ppq_inner_eval(c, "Gemm", in, 2, &y);
    if (st == PPQ_OK)
        st = finish(c, &y);
    ppq_tensor_unref(&in[0]);
    ppq_tensor_unref(&in[1]);
    ppq_tensor_unref(&y);
    return st;
}

const ppq_op_def ppq_op_ms_q_gemm = MICROSOFT_DEF("QGemm", 6, 9);
