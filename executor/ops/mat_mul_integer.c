#include "executor/ops/integer.h"
#include "executor/ops/product.h"

// Y = (A - a_zero_point) (B - b_zero_point) in int32. A's zero point may be one per row, B's one
// per column.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_integers(c, ppq_dim_from_end(&c->in_shape[0], 2),
                               ppq_dim_from_end(&c->in_shape[1], 1)));
    return ppq_product_infer(c, 0, 1);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    ppq_product_shape p;
    ppq_reason why;
    if (!ppq_product_shape_init(&p, &c->in[0]->shape, &c->in[1]->shape, &why))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "%s", why.text);
    ppq_tensor ab[2];
    PPQ_TRY(ppq_run_integers(c, PPQ_MAX(p.k, 1), 1, ab));
    ppq_product_run(&p, ppq_gemm_of(PPQ_DT_I32), sizeof(int32_t), ppq_tensor_data(&ab[0]),
                    ppq_tensor_data(&ab[1]), ppq_tensor_data(&c->out[0]));
    ppq_tensor_unref(&ab[0]);
    ppq_tensor_unref(&ab[1]);
    return PPQ_OK;
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
