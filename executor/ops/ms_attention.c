#include "executor/ops/real.h"
#include "executor/ops/self_attention.h"
#include "executor/ops/stored.h"

// Attention of the input with itself, weights included

enum { INPUT, WEIGHT, BIAS, MASK, PAST, ATTENTION_BIAS };

static const ppq_self_attention slots = {
    .mask = MASK, .past = PAST, .bias = BIAS, .attention_bias = ATTENTION_BIAS
};

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 2, 2));
    return ppq_infer_self_attention(c, &slots);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_tensor in[] = { *c->in[INPUT], *c->in[WEIGHT] };
    ppq_tensor product = { 0 };
    if (in[0].dtype != PPQ_DT_F32 || in[1].dtype != PPQ_DT_F32)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "float64 is not supported");
    PPQ_TRY(ppq_inner_eval_bare(c, "MatMul", in, 2, &product));
    const ppq_status st = ppq_run_self_attention(c, &slots, &product);
    ppq_tensor_unref(&product);
    return st;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_ms_attention = {
    .type = "Attention",
    .domain = "com.microsoft",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 7,
    .out_min = 1,
    .out_max = 2,
    .fp32_in = 0x58, // mask, past, length of the past
    .fp32_out = 0x2,
    .infer = infer,
    .forward = forward,
};
