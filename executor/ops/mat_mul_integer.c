#include "executor/ops/integer.h"
#include "executor/ops/product.h"
#include "executor/ops/real.h"

// Y = (A - a_zero_point) (B - b_zero_point) in int32. A's zero point may be one per row, B's one
// per column.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_present(c, 2));
    PPQ_TRY(ppq_infer_stored(c, 0, 2));
    PPQ_TRY(ppq_infer_stored(c, 1, 3));
    PPQ_TRY(ppq_infer_one_or(c, 2, ppq_dim_from_end(&c->in_shape[0], 2)));
    PPQ_TRY(ppq_infer_one_or(c, 3, ppq_dim_from_end(&c->in_shape[1], 1)));
    c->out_dtype[0] = PPQ_DT_I32;
    return ppq_product_infer(c, 0, 1);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *a_zero = c->op->n_in > 2 ? c->in[2] : NULL;
    const ppq_tensor *b_zero = c->op->n_in > 3 ? c->in[3] : NULL;
    ppq_product_shape p;
    ppq_reason why;
    if (!ppq_product_shape_init(&p, &c->in[0]->shape, &c->in[1]->shape, &why))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "%s", why.text);
    ppq_tensor a = { .dtype = PPQ_DT_NONE }, b = { .dtype = PPQ_DT_NONE };
    ppq_status st = ppq_minus_zero(c, c->in[0], a_zero, PPQ_MAX(p.k, 1), &a);
    if (st == PPQ_OK)
        st = ppq_minus_zero(c, c->in[1], b_zero, 1, &b);
    if (st == PPQ_OK)
        ppq_product_run(&p, ppq_gemm_of(PPQ_DT_I32), sizeof(int32_t), ppq_tensor_data(&a),
                        ppq_tensor_data(&b), ppq_tensor_data(&c->out[0]));
    ppq_tensor_unref(&a);
    ppq_tensor_unref(&b);
    return st;
}

const ppq_op_def ppq_op_mat_mul_integer = {
    .type = "MatMulInteger",
    .domain = "",
    .opset_min = 10,
    .in_min = 2,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 1u << 2 | 1u << 3,
    .infer = infer,
    .forward = forward,
};
