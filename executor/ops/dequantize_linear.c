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

enum { CHUNK = 512 };

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

static ppq_status forward(ppq_kernel_ctx *c)
{
    ppq_qdq_layout l;
    PPQ_TRY(ppq_qdq_layout_of(c, &l));
    const ppq_tensor *zero = c->op->n_in > 2 ? c->in[2] : NULL;
    if (!ppq_convert_knows(c->in[0]->dtype) || !ppq_dtype_is_float(c->out[0].dtype))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "cannot turn %s into %s",
                               ppq_dtype_name(c->in[0]->dtype), ppq_dtype_name(c->out[0].dtype));
    if (run_common_case(c, &l))
        return PPQ_OK;
    double x[CHUNK];
    const bool one = l.block == l.axis && l.n_scales == 1;
    double s = 0, z = 0;
    for (int64_t o = 0; o < l.outer; o++)
        for (int64_t a = 0; a < l.axis; a += one ? CHUNK : 1) {
            const int64_t run = one ? PPQ_MIN(l.axis - a, CHUNK) : l.inner;
            for (int64_t i = 0; i < run; i += CHUNK) {
                const int64_t at = (o * l.axis + a) * l.inner + i, n = PPQ_MIN(run - i, CHUNK);
                ppq_load_f64(c->in[0], at, n, x);
                for (int64_t k = 0; k < n; k++) {
                    // The scale changes along the inner dimension only in block form.
                    if (k == 0 || l.block > 1) {
                        const int64_t q = one ? 0 : ppq_qdq_scale_at(&l, o, a, i + k);
                        ppq_load_f64(c->in[1], q, 1, &s);
                        if (zero)
                            ppq_load_f64(zero, q, 1, &z);
                    }
                    x[k] = (double) ((float) (x[k] - z) * (float) s);
                }
                ppq_store_f64(&c->out[0], at, n, x, PPQ_CONVERT_DEFAULT);
            }
        }
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
