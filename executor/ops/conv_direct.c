#include "executor/ops/conv_direct.h"

#include <assert.h>

#define T       float
#define NAME(x) x##_f32
#include "executor/ops/conv_rows.h"

#define T       double
#define NAME(x) x##_f64
#include "executor/ops/conv_rows.h"

// Integers are multiplied unsigned: the same bits, and overflow wraps.
#define T       uint32_t
#define NAME(x) x##_u32
#include "executor/ops/conv_rows.h"

ppq_status ppq_conv_direct(ppq_kernel_ctx *c, const ppq_conv_shape *shape, ppq_dtype dt,
                           const void *x, const void *w, const void *bias, void *y)
{
    if (ppq_shape_numel(&shape->y) == 0)
        return PPQ_OK;
    ppq_conv_shape s = *shape;
    ppq_conv_shape_flatten(&s);
    const int64_t max_taps = s.ic ? ppq_window_max_taps(&s.win) : 0;
    ppq_tensor taps;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) max_taps * sizeof(ppq_tap), &taps));
    if (dt == PPQ_DT_F32) {
        conv_f32(&s, x, w, bias, y, ppq_tensor_data(&taps));
    } else if (dt == PPQ_DT_F64) {
        conv_f64(&s, x, w, bias, y, ppq_tensor_data(&taps));
    } else {
        assert(dt == PPQ_DT_I32);
        conv_u32(&s, x, w, bias, y, ppq_tensor_data(&taps));
    }
    ppq_tensor_unref(&taps);
    return PPQ_OK;
}

ppq_status ppq_conv_float(ppq_kernel_ctx *c, bool transposed)
{
    const ppq_tensor *x = c->in[0], *w = c->in[1];
    const ppq_tensor *bias = c->op->n_in > 2 ? c->in[2] : NULL;
    ppq_conv_shape s;
    ppq_reason why;
    if (!ppq_conv_shape_init(&s, c->op, transposed, &x->shape, &w->shape,
                             bias ? &bias->shape : NULL, &why))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "%s", why.text);
    return ppq_conv_direct(c, &s, x->dtype, ppq_tensor_data(x), ppq_tensor_data(w),
                           bias ? ppq_tensor_data(bias) : NULL, ppq_tensor_data(&c->out[0]));
}
