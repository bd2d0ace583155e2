#include "executor/ops/product.h"
#include "executor/ops/real.h"

// Y = A B, with numpy's rules: batches broadcast, a vector is a matrix of one row or column.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_present(c, 2));
    if (c->in_dtype[0] != PPQ_DT_NONE && c->in_dtype[1] != PPQ_DT_NONE &&
        c->in_dtype[0] != c->in_dtype[1])
        return ppq_infer_fail(c, "inputs are %s and %s, expected one type",
                              ppq_dtype_name(c->in_dtype[0]), ppq_dtype_name(c->in_dtype[1]));
    c->out_dtype[0] = c->in_dtype[0];
    return ppq_product_infer(c, 0, 1);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_dtype dt = c->in[0]->dtype;
    const ppq_gemm_fn gemm = ppq_gemm_of(dt);
    if (!gemm)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED,
                               "inputs are %s, expected a float type or an integer of 32 or 64 "
                               "bits",
                               ppq_dtype_name(dt));
    ppq_product_shape p;
    ppq_reason why;
    if (!ppq_product_shape_init(&p, &c->in[0]->shape, &c->in[1]->shape, &why))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "%s", why.text);
    ppq_product_run(&p, gemm, ppq_dtype_size(dt), ppq_tensor_data(c->in[0]),
                    ppq_tensor_data(c->in[1]), ppq_tensor_data(&c->out[0]));
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_mat_mul = {
    .type = "MatMul",
    .domain = "",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_COMPUTE,
    .infer = infer,
    .forward = forward,
};
