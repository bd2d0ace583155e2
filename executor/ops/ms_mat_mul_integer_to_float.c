#include "executor/ops/stored_product.h"

// MatMul of stored integers: A, B, their scales, their zero points, bias.

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_stored_product(c);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    ppq_tensor a = { 0 };
    ppq_status st = ppq_stored_load(c, (ppq_stored_arg){ 0, 2, 4 }, &a);
    if (st == PPQ_OK)
        st = ppq_run_stored_product(c, &a, (ppq_stored_arg){ 1, 3, 5 }, 6);
    ppq_tensor_unref(&a);
    return st;
}

const ppq_op_def ppq_op_ms_mat_mul_integer_to_float = MICROSOFT_DEF("MatMulIntegerToFloat", 4, 7);
