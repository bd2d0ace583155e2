#include "executor/dnnl/run.h"

ppq_status ppq_dnnl_forward(ppq_kernel_ctx *c, const ppq_dnnl_op *op, const ppq_dnnl_bind *bind,
                            int n)
{
    ppq_tensor scratch = { 0 };
    const size_t bytes = ppq_dnnl_scratch_bytes(op);
    if (bytes)
        PPQ_TRY(ppq_kernel_temp(c, bytes, &scratch));
    const ppq_status st = ppq_dnnl_exec(op, bind, n, bytes ? ppq_tensor_data(&scratch) : NULL);
    ppq_tensor_unref(&scratch);
    if (st != PPQ_OK)
        return ppq_kernel_fail(c, st, "oneDNN's %s failed", ppq_dnnl_impl(op));
    return PPQ_OK;
}

ppq_status ppq_dnnl_forward_unary(const void *op, ppq_kernel_ctx *c)
{
    const ppq_dnnl_bind bind[] = { { PPQ_DNNL_SRC, ppq_tensor_data(c->in[0]) },
                                   { PPQ_DNNL_DST, ppq_tensor_data(&c->out[0]) } };
    return ppq_dnnl_forward(c, op, bind, PPQ_COUNT(bind));
}

void ppq_dnnl_release(void *op)
{
    ppq_dnnl_op_destroy(op);
}

bool ppq_spec_has(const ppq_kernel_spec *s, int i)
{
    return i < s->op->n_in && s->has_in[i];
}

bool ppq_spec_is_f32(const ppq_kernel_spec *s)
{
    for (int i = 0; i < s->op->n_in; i++)
        if (s->has_in[i] && (s->in_dtype[i] != PPQ_DT_F32 || ppq_shape_numel(&s->in_shape[i]) <= 0))
            return false;
    for (int i = 0; i < s->op->n_out; i++)
        if (s->out_dtype[i] != PPQ_DT_F32 || ppq_shape_numel(&s->out_shape[i]) <= 0)
            return false;
    return ppq_spec_has(s, 0);
}

bool ppq_spec_is_f32_last(const ppq_kernel_spec *s)
{
    // A constant stays in plain layout; the plain operator may as well have it.
    return ppq_spec_is_f32(s) && s->in_shape[0].rank >= 3 && !s->in_const[0];
}

const ppq_tensor *ppq_spec_const(const ppq_kernel_spec *s, int i)
{
    return ppq_spec_has(s, i) ? s->in_const[i] : NULL;
}

ppq_dnnl_window ppq_dnnl_window_of(const ppq_window *w, bool transposed)
{
    ppq_dnnl_window r = { .n = w->n };
    for (int i = 0; i < w->n; i++) {
        r.kernel[i] = w->kernel[i];
        r.stride[i] = w->stride[i];
        r.dilation[i] = w->dilation[i];
        r.pad_lo[i] = w->pad_lo[i];
        const int64_t small = transposed ? w->in[i] : w->out[i];
        const int64_t large = transposed ? w->out[i] : w->in[i];
        r.pad_hi[i] = (small - 1) * w->stride[i] + ppq_window_extent(w, i) - large - w->pad_lo[i];
    }
    return r;
}
