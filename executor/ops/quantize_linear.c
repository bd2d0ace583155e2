#include <math.h>

#include "core/quantfn.h"
#include "executor/ops/convert.h"
#include "executor/ops/qdq.h"

// Y = saturate(round_half_even(X / scale) + zero_point), one scale for all, per slice of an axis,
// or per block.

static ppq_dtype output_type(const ppq_op *op, bool has_zero, ppq_dtype zero)
{
    const int64_t to = ppq_op_attr_int(op, "output_dtype", 0);
    if (has_zero)
        return zero;
    return to > 0 && ppq_dtype_valid((int) to) ? (ppq_dtype) to : PPQ_DT_U8;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const bool zero = c->op->n_in > 2 && c->has_in[2];
    c->out_shape[0] = c->in_shape[0];
    c->out_dtype[0] = output_type(c->op, zero, zero ? c->in_dtype[2] : PPQ_DT_NONE);
    return PPQ_OK;
}

static bool integer_range(ppq_dtype dt, double *lo, double *hi)
{
    const unsigned bits = ppq_dtype_bits(dt);
    switch ((int) dt) {
    case PPQ_DT_U8:
    case PPQ_DT_U16:
    case PPQ_DT_U4:
    case PPQ_DT_U2:
        *lo = 0;
        *hi = ldexp(1, (int) bits) - 1;
        return true;
    case PPQ_DT_I8:
    case PPQ_DT_I16:
    case PPQ_DT_I32:
    case PPQ_DT_I4:
    case PPQ_DT_I2:
        *lo = -ldexp(1, (int) bits - 1);
        *hi = -*lo - 1;
        return true;
    default:
        return false;
    }
}

enum { CHUNK = 512 };

// float32 to 8 bits with one scale: what activations of quantized models are.
static bool run_common_case(ppq_kernel_ctx *c, const ppq_qdq_layout *l, double lo, double hi)
{
    const ppq_dtype to = c->out[0].dtype;
    const ppq_tensor *zero = c->op->n_in > 2 ? c->in[2] : NULL;
    if (c->in[0]->dtype != PPQ_DT_F32 || c->in[1]->dtype != PPQ_DT_F32 || l->n_scales != 1 ||
        l->block != l->axis || (to != PPQ_DT_U8 && to != PPQ_DT_I8))
        return false;
    double z = 0;
    if (zero)
        ppq_load_f64(zero, 0, 1, &z);
    const ppq_qparam p = { *ppq_f32(c->in[1]), (float) z, lo, hi, PPQ_ROUND_HALF_EVEN };
    int32_t q[CHUNK];
    uint8_t *y = ppq_tensor_data(&c->out[0]);
    for (int64_t i = 0; i < l->axis; i += CHUNK) {
        const int64_t n = PPQ_MIN(l->axis - i, CHUNK);
        ppq_quantize_i32(ppq_f32(c->in[0]) + i, q, n, &p);
        for (int64_t k = 0; k < n; k++)
            y[i + k] = (uint8_t) q[k];
    }
    return true;
}

typedef struct range {
    bool integer;
    double lo, hi;
} range;

static double quantize(const void *user, double x, double scale, double zero)
{
    const range *r = user;
    const double v = (double) ((float) x / (float) scale);
    if (!r->integer)
        return v + zero;
    const double q = ppq_round(v, PPQ_ROUND_HALF_EVEN) + zero;
    return !(q > r->lo) ? r->lo : q > r->hi ? r->hi : q;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    ppq_qdq_layout l;
    PPQ_TRY(ppq_qdq_layout_of(c, &l));
    const ppq_dtype to = c->out[0].dtype;
    double lo = 0, hi = 0;
    const bool integer = integer_range(to, &lo, &hi);
    if (!ppq_convert_knows(to) || !ppq_convert_knows(c->in[0]->dtype))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "cannot turn %s into %s",
                               ppq_dtype_name(c->in[0]->dtype), ppq_dtype_name(to));
    if (integer && run_common_case(c, &l, lo, hi))
        return PPQ_OK;
    const range r = { integer, lo, hi };
    ppq_qdq_map(c, &l, quantize, &r,
                (ppq_convert_mode){ .saturate = ppq_op_attr_int(c->op, "saturate", 1) != 0,
                                    .round_e8m0 = 1 });
    return PPQ_OK;
}

const ppq_op_def ppq_op_quantize_linear = {
    .type = "QuantizeLinear",
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
