#include "core/op_def.h"
#include "core/quantfn.h"

// uint8 quantization with the range of the tensor itself, widened to hold zero.

static ppq_status infer(ppq_infer_ctx *c)
{
    c->out_shape[0] = c->in_shape[0];
    c->out_dtype[0] = PPQ_DT_U8;
    for (int k = 1; k < c->op->n_out; k++)
        c->out_shape[k] = (ppq_shape){ .rank = 0 };
    if (c->op->n_out > 1)
        c->out_dtype[1] = PPQ_DT_F32;
    if (c->op->n_out > 2)
        c->out_dtype[2] = PPQ_DT_U8;
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    if (c->in[0]->dtype != PPQ_DT_F32)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "input is %s, expected float32",
                               ppq_dtype_name(c->in[0]->dtype));
    const float *x = ppq_f32(c->in[0]);
    const int64_t n = ppq_shape_numel(&c->in[0]->shape);
    float lo = 0, hi = 0;
    for (int64_t i = 0; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    const float scale = hi > lo ? (hi - lo) / 255.0f : 1.0f;
    const double zero = ppq_round((double) (0 - lo / scale), PPQ_ROUND_HALF_EVEN);
    const ppq_qparam p = { scale, (float) PPQ_MIN(PPQ_MAX(zero, 0), 255), 0, 255,
                           PPQ_ROUND_HALF_EVEN };
    int32_t q[512];
    uint8_t *y = ppq_tensor_data(&c->out[0]);
    for (int64_t i = 0; i < n; i += 512) {
        const int64_t k = PPQ_MIN(n - i, 512);
        ppq_quantize_i32(x + i, q, k, &p);
        for (int64_t j = 0; j < k; j++)
            y[i + j] = (uint8_t) q[j];
    }
    if (c->op->n_out > 1)
        *ppq_f32(&c->out[1]) = scale;
    if (c->op->n_out > 2)
        *(uint8_t *) ppq_tensor_data(&c->out[2]) = (uint8_t) p.offset;
    return PPQ_OK;
}

const ppq_op_def ppq_op_dynamic_quantize_linear = {
    .type = "DynamicQuantizeLinear",
    .domain = "",
    .opset_min = 11,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 3,
    .infer = infer,
    .forward = forward,
};
