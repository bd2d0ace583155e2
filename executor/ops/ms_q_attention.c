#include "executor/ops/convert.h"
#include "executor/ops/self_attention.h"
#include "executor/ops/stored.h"

// Attention of the input with itself; input and weights are stored integers.

enum { INPUT, WEIGHT, BIAS, INPUT_SCALE, WEIGHT_SCALE, MASK, INPUT_ZERO, WEIGHT_ZERO, PAST };

static const ppq_self_attention slots = {
    .mask = MASK, .past = PAST, .bias = BIAS, .attention_bias = -1
};

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_self_attention(c, &slots);
}

static ppq_status multiply(ppq_kernel_ctx *c, ppq_tensor *out)
{
    static const ppq_stored_arg arg[] = { { INPUT, INPUT_SCALE, INPUT_ZERO, false },
                                          { WEIGHT, WEIGHT_SCALE, WEIGHT_ZERO, false } };
    ppq_tensor in[2] = { { 0 } }, product = { 0 };
    ppq_status st = PPQ_OK;
    for (int i = 0; i < 2 && st == PPQ_OK; i++)
        st = ppq_stored_load(c, arg[i], &in[i]);
    if (st == PPQ_OK)
        st = ppq_inner_eval_bare(c, "MatMul", in, 2, &product);
    if (st == PPQ_OK && ppq_tensor_alloc_pool(out, PPQ_DT_F32, &product.shape, c->pool) != PPQ_OK)
        st = ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate the product");
    else if (st == PPQ_OK)
        ppq_convert(&product, out, PPQ_CONVERT_DEFAULT);
    ppq_tensor_unref(&product);
    for (int i = 0; i < 2; i++)
        ppq_tensor_unref(&in[i]);
    return st;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    ppq_tensor product;
    PPQ_TRY(multiply(c, &product));
    const ppq_status st = ppq_run_self_attention(c, &slots, &product);
    ppq_tensor_unref(&product);
    return st;
}

const ppq_op_def ppq_op_ms_q_attention = {
    .type = "QAttention",
    .domain = "com.microsoft",
    .opset_min = 1,
    .in_min = 5,
    .in_max = 9,
    .out_min = 1,
    .out_max = 2,
    .fp32_in = 0x1ff,
    .fp32_out = 0x2,
    .infer = infer,
    .forward = forward,
};
