#include "executor/ops/backward.h"

// Y = max(X, 0); NaN stays NaN.

static ppq_status forward(ppq_kernel_ctx *c)
{
    const int64_t n = ppq_shape_numel(&c->in[0]->shape);
    switch ((int) c->in[0]->dtype) {
    case PPQ_DT_F32: {
        const float *x = ppq_f32(c->in[0]);
        float *y = ppq_f32(&c->out[0]);
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] < 0 ? 0 : x[i];
        return PPQ_OK;
    }
    case PPQ_DT_F64: {
        const double *x = ppq_tensor_data(c->in[0]);
        double *y = ppq_tensor_data(&c->out[0]);
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] < 0 ? 0 : x[i];
        return PPQ_OK;
    }
    default:
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "input is %s, expected float32 or float64",
                               ppq_dtype_name(c->in[0]->dtype));
    }
}

static ppq_status backward(ppq_backward_ctx *c)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    const float *x = ppq_f32(c->in[0]), *g = ppq_grad_out(c, 0);
    float *dx = ppq_grad_in(c, 0);
    const int64_t n = idle ? 0 : ppq_shape_numel(&c->in[0]->shape);
    for (int64_t i = 0; i < n; i++)
        dx[i] = x[i] > 0 ? g[i] : 0;
    return PPQ_OK;
}

const ppq_op_def ppq_op_relu = {
    .type = "Relu",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_ACTIVATION | PPQ_OP_LAYOUT_FREE,
    .infer = ppq_infer_same,
    .forward = forward,
    .backward = backward,
};
