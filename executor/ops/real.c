#include "executor/ops/real.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "executor/ops/convert.h"

#define LANES 8

static inline double add_lanes(const double *p)
{
    return ((p[0] + p[4]) + (p[1] + p[5])) + ((p[2] + p[6]) + (p[3] + p[7]));
}

static inline double abs_pow(double x, double p)
{
    const double a = fabs(x);
    return p == 1 ? a : p == 2 ? a * a : pow(a, p);
}

#define T       float
#define T_EXP   expf
#define T_INF   HUGE_VALF
#define T_MAX   FLT_MAX
#define NAME(x) x##_f32
#include "executor/ops/real_rows.h"

#define T       double
#define T_EXP   exp
#define T_INF   HUGE_VAL
#define T_MAX   DBL_MAX
#define NAME(x) x##_f64
#include "executor/ops/real_rows.h"

const ppq_real *ppq_real_of(ppq_kernel_ctx *c)
{
    const ppq_dtype dt = c->in[0]->dtype;
    if (dt == PPQ_DT_F32)
        return &table_f32;
    if (dt == PPQ_DT_F64)
        return &table_f64;
    const ppq_status st = ppq_kernel_fail(
        c, PPQ_ERR_UNSUPPORTED, "input 0 is %s, expected a float type", ppq_dtype_name(dt));
    (void) st;
    return NULL;
}

ppq_status ppq_infer_present(ppq_infer_ctx *c, int required)
{
    if (c->op->n_out < 1)
        return ppq_infer_fail(c, "it has no output");
    for (int i = 0; i < required; i++)
        if (i >= c->op->n_in || !c->has_in[i])
            return ppq_infer_fail(c, "input %d is missing", i);
    return PPQ_OK;
}

ppq_status ppq_infer_floats(ppq_infer_ctx *c, int required, int count)
{
    PPQ_TRY(ppq_infer_present(c, required));
    for (int i = 0; i < count && i < c->op->n_in; i++) {
        const ppq_dtype dt = c->in_dtype[i];
        if (!c->has_in[i] || dt == PPQ_DT_NONE)
            continue;
        if (!ppq_dtype_is_float(dt))
            return ppq_infer_fail(c, "input %d is %s, expected a float type", i,
                                  ppq_dtype_name(dt));
        if (c->in_dtype[0] != PPQ_DT_NONE && (dt == PPQ_DT_F64) != (c->in_dtype[0] == PPQ_DT_F64))
            return ppq_infer_fail(c, "input %d is %s but input 0 is %s", i, ppq_dtype_name(dt),
                                  ppq_dtype_name(c->in_dtype[0]));
    }
    return PPQ_OK;
}

// ---- other float types ----------------------------------------------------------------------

static bool is_half(ppq_dtype dt)
{
    return dt == PPQ_DT_F16 || dt == PPQ_DT_BF16;
}

static void widen(const ppq_tensor *from, ppq_tensor *to)
{
    const int64_t n = ppq_shape_numel(&from->shape);
    const uint16_t *src = ppq_tensor_data(from);
    float *dst = ppq_f32(to);
    for (int64_t i = 0; i < n; i++)
        dst[i] = from->dtype == PPQ_DT_F16 ? ppq_f16_to_f32(src[i]) : ppq_bf16_to_f32(src[i]);
}

static void narrow(const ppq_tensor *from, ppq_tensor *to)
{
    const int64_t n = ppq_shape_numel(&from->shape);
    const float *src = ppq_f32(from);
    uint16_t *dst = ppq_tensor_data(to);
    for (int64_t i = 0; i < n; i++)
        dst[i] = to->dtype == PPQ_DT_F16 ? ppq_f32_to_f16(src[i]) : ppq_f32_to_bf16(src[i]);
}

static void copy_as(const ppq_tensor *from, ppq_tensor *to)
{
    if (is_half(from->dtype) && to->dtype == PPQ_DT_F32)
        widen(from, to);
    else if (from->dtype == PPQ_DT_F32 && is_half(to->dtype))
        narrow(from, to);
    else
        ppq_convert(from, to, PPQ_CONVERT_DEFAULT);
}

static bool is_narrower(ppq_dtype dt, ppq_dtype wide)
{
    return ppq_dtype_is_float(dt) && ppq_dtype_bits(dt) < ppq_dtype_bits(wide);
}

static ppq_status alloc_wide(ppq_kernel_ctx *c, const ppq_tensor *like, ppq_dtype wide,
                             ppq_tensor *out)
{
    if (ppq_tensor_alloc_pool(out, wide, &like->shape, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate a %s copy", ppq_dtype_name(wide));
    out->layout = like->layout;
    return PPQ_OK;
}

ppq_status ppq_run_as(ppq_kernel_ctx *c, ppq_dtype wide, ppq_status (*run)(ppq_kernel_ctx *c))
{
    const int n_in = c->op->n_in, n_out = c->op->n_out;
    ppq_tensor *in = ppq_new_n(c->scratch, ppq_tensor, (size_t) n_in + 1);
    ppq_tensor *out = ppq_new_n(c->scratch, ppq_tensor, (size_t) n_out + 1);
    const ppq_tensor **in_ptr = ppq_new_n(c->scratch, const ppq_tensor *, (size_t) n_in + 1);
    ppq_status st = PPQ_OK;
    for (int i = 0; st == PPQ_OK && i < n_in; i++) {
        in_ptr[i] = c->in[i];
        if (!c->in[i] || !is_narrower(c->in[i]->dtype, wide))
            continue;
        if ((st = alloc_wide(c, c->in[i], wide, &in[i])) == PPQ_OK)
            copy_as(c->in[i], &in[i]);
        in_ptr[i] = &in[i];
    }
    for (int i = 0; st == PPQ_OK && i < n_out; i++) {
        if (!c->out[i].buf)
            st = ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the inputs do not tell the size of output %d",
                                 i);
        else if (is_narrower(c->out[i].dtype, wide))
            st = alloc_wide(c, &c->out[i], wide, &out[i]);
        else
            out[i] = ppq_tensor_ref(&c->out[i]);
    }
    if (st == PPQ_OK) {
        ppq_kernel_ctx inner = *c;
        inner.in = in_ptr;
        inner.out = out;
        st = run(&inner);
    }
    for (int i = 0; i < n_out; i++) {
        if (st == PPQ_OK && is_narrower(c->out[i].dtype, wide))
            copy_as(&out[i], &c->out[i]);
        ppq_tensor_unref(&out[i]);
    }
    for (int i = 0; i < n_in; i++)
        ppq_tensor_unref(&in[i]);
    return st;
}

ppq_status ppq_run_widened(ppq_kernel_ctx *c, ppq_status (*run)(ppq_kernel_ctx *c))
{
    bool any = false;
    for (int i = 0; i < c->op->n_in; i++)
        any |= c->in[i] && is_half(c->in[i]->dtype);
    return any ? ppq_run_as(c, PPQ_DT_F32, run) : run(c);
}
