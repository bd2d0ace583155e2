#include "executor/ops/integer.h"

#include "core/quantfn.h"
#include "executor/ops/real.h"

static bool is_byte(ppq_dtype dt)
{
    return dt == PPQ_DT_U8 || dt == PPQ_DT_I8;
}

ppq_status ppq_infer_stored(ppq_infer_ctx *c, int slot, int zero)
{
    const ppq_dtype dt = c->in_dtype[slot];
    if (dt != PPQ_DT_NONE && !is_byte(dt))
        return ppq_infer_fail(c, "input %d is %s, expected uint8 or int8", slot,
                              ppq_dtype_name(dt));
    if (zero >= c->op->n_in || !c->has_in[zero] || c->in_dtype[zero] == PPQ_DT_NONE)
        return PPQ_OK;
    if (dt != PPQ_DT_NONE && c->in_dtype[zero] != dt)
        return ppq_infer_fail(c, "zero point %d is %s but its input is %s", zero,
                              ppq_dtype_name(c->in_dtype[zero]), ppq_dtype_name(dt));
    return PPQ_OK;
}

ppq_status ppq_infer_one_or(ppq_infer_ctx *c, int slot, int64_t n)
{
    if (slot >= c->op->n_in || !c->has_in[slot] || !ppq_shape_known(&c->in_shape[slot]))
        return PPQ_OK;
    const int64_t have = ppq_shape_numel(&c->in_shape[slot]);
    if (have == 1 || (n < 0 && have > 0) || (have > 0 && have == n))
        return PPQ_OK;
    return ppq_infer_fail(c, "input %d has %lld values, expected 1 or %lld", slot, (long long) have,
                          (long long) n);
}

ppq_status ppq_infer_scales(ppq_infer_ctx *c, int zero, const int *s, int n, bool halves)
{
    for (int i = 0; i < n; i++) {
        const ppq_dtype scale = c->in_dtype[s[i]];
        const bool fits = scale == PPQ_DT_NONE || scale == PPQ_DT_F32 ||
                          (halves && (scale == PPQ_DT_F16 || scale == PPQ_DT_BF16));
        if (!fits)
            return ppq_infer_fail(c, "scale %d is %s, expected float32", s[i],
                                  ppq_dtype_name(scale));
    }
    const ppq_dtype dt = c->in_dtype[zero];
    if (dt != PPQ_DT_NONE && !is_byte(dt))
        return ppq_infer_fail(c, "zero point %d is %s, expected uint8 or int8", zero,
                              ppq_dtype_name(dt));
    c->out_dtype[0] = dt;
    return PPQ_OK;
}

static int32_t byte_at(const ppq_tensor *t, int64_t i)
{
    return t->dtype == PPQ_DT_U8 ? ((const uint8_t *) ppq_tensor_data(t))[i]
                                 : ((const int8_t *) ppq_tensor_data(t))[i];
}

ppq_status ppq_minus_zero(ppq_kernel_ctx *c, const ppq_tensor *x, const ppq_tensor *zero,
                          int64_t inner, ppq_tensor *out)
{
    const int64_t n = ppq_shape_numel(&x->shape);
    const int64_t n_zero = zero ? ppq_shape_numel(&zero->shape) : 1;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) n * sizeof(int32_t), out));
    int32_t *dst = ppq_tensor_data(out);
    for (int64_t i = 0; i < n; i++)
        dst[i] = byte_at(x, i) - (zero ? byte_at(zero, i / inner % n_zero) : 0);
    return PPQ_OK;
}

ppq_status ppq_infer_integers(ppq_infer_ctx *c, int64_t n_zero_0, int64_t n_zero_1)
{
    PPQ_TRY(ppq_infer_present(c, 2));
    PPQ_TRY(ppq_infer_stored(c, 0, 2));
    PPQ_TRY(ppq_infer_stored(c, 1, 3));
    PPQ_TRY(ppq_infer_one_or(c, 2, n_zero_0));
    PPQ_TRY(ppq_infer_one_or(c, 3, n_zero_1));
    c->out_dtype[0] = PPQ_DT_I32;
    return PPQ_OK;
}

ppq_status ppq_run_integers(ppq_kernel_ctx *c, int64_t inner_0, int64_t inner_1, ppq_tensor out[2])
{
    const ppq_tensor *zero_0 = c->op->n_in > 2 ? c->in[2] : NULL;
    const ppq_tensor *zero_1 = c->op->n_in > 3 ? c->in[3] : NULL;
    PPQ_TRY(ppq_minus_zero(c, c->in[0], zero_0, inner_0, &out[0]));
    const ppq_status st = ppq_minus_zero(c, c->in[1], zero_1, inner_1, &out[1]);
    if (st != PPQ_OK)
        ppq_tensor_unref(&out[0]);
    return st;
}

ppq_status ppq_requantize(ppq_kernel_ctx *c, const int32_t *acc, ppq_scales a, ppq_scales b,
                          int scale, int zero)
{
    enum { CHUNK = 256 };
    ppq_tensor *y = &c->out[0];
    const bool is_signed = y->dtype == PPQ_DT_I8;
    const ppq_qparam p = { .scale = ppq_f32(c->in[scale])[0],
                           .offset = (float) byte_at(c->in[zero], 0),
                           .qmin = is_signed ? INT8_MIN : 0,
                           .qmax = is_signed ? INT8_MAX : UINT8_MAX,
                           .rounding = PPQ_ROUND_HALF_EVEN };
    if (!(p.scale > 0))
        return ppq_kernel_fail(c, PPQ_ERR_MODEL, "the output scale is %g, expected more than 0",
                               (double) p.scale);
    uint8_t *dst = ppq_tensor_data(y);
    const int64_t n = ppq_shape_numel(&y->shape);
    for (int64_t at = 0; at < n; at += CHUNK) {
        float real[CHUNK];
        int32_t q[CHUNK];
        const int64_t m = PPQ_MIN(n - at, CHUNK);
        for (int64_t i = 0; i < m; i++) {
            const int64_t k = at + i;
            real[i] = (float) acc[k] * (a.v[k / a.inner % a.n] * b.v[k / b.inner % b.n]);
        }
        ppq_quantize_i32(real, q, m, &p);
        for (int64_t i = 0; i < m; i++)
            dst[at + i] = (uint8_t) q[i]; // the low byte, for int8 too
    }
    return PPQ_OK;
}
