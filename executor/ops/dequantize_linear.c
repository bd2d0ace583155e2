#include "executor/ops/convert.h"
#include "executor/ops/qdq.h"

// Y = (X - zero_point) * scale, one scale for all, per slice of an axis, or per block.

static ppq_status infer(ppq_infer_ctx *c)
{
    const int64_t to = ppq_op_attr_int(c->op, "output_dtype", 0);
    c->out_shape[0] = c->in_shape[0];
    c->out_dtype[0] = to > 0 && ppq_dtype_valid((int) to) ? (ppq_dtype) to : c->in_dtype[1];
    return PPQ_OK;
}

// 8 bits to float32 with one scale.
static bool run_common_case(ppq_kernel_ctx *c, const ppq_qdq_layout *l)
{
    const ppq_dtype from = c->in[0]->dtype;
    const ppq_tensor *zero = c->op->n_in > 2 ? c->in[2] : NULL;
    if (c->out[0].dtype != PPQ_DT_F32 || c->in[1]->dtype != PPQ_DT_F32 || l->n_scales != 1 ||
        l->block != l->axis || (from != PPQ_DT_U8 && from != PPQ_DT_I8))
        return false;
    double z = 0;
    if (zero)
        ppq_load_f64(zero, 0, 1, &z);
    const float s = *ppq_f32(c->in[1]), o = (float) z;
    const uint8_t *u = ppq_tensor_data(c->in[0]);
    const int8_t *i8 = ppq_tensor_data(c->in[0]);
    float *y = ppq_f32(&c->out[0]);
    for (int64_t i = 0; i < l->axis; i++)
        y[i] = ((from == PPQ_DT_U8 ? (float) u[i] : (float) i8[i]) - o) * s;
    return true;
}

static double dequantize(const void *user, double x, double scale, double zero)
{
    (void) user;
    return (double) ((float) (x - zero) * (float) scale);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    ppq_qdq_layout l;
    PPQ_TRY(ppq_qdq_layout_of(c, &l));
    if (!ppq_convert_knows(c->in[0]->dtype) || !ppq_dtype_is_float(c->out[0].dtype))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "cannot turn %s into %s",
                               ppq_dtype_name(c->in[0]->dtype), ppq_dtype_name(c->out[0].dtype));
    if (run_common_case(c, &l))
        return PPQ_OK;
    ppq_qdq_map(c, &l, dequantize, NULL, PPQ_CONVERT_DEFAULT);
    return PPQ_OK;
}

const ppq_op_def ppq_op_dequantize_linear = {
    .type = "DequantizeLinear",
    .domain = "",
    .opset_min = 10,
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_LAYOUT_FREE,
    .infer = infer,
    .forward = forward,
};
