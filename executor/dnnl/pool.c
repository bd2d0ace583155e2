#include "executor/dnnl/run.h"

// MaxPool and AveragePool, channels-last.

static bool supports(const ppq_kernel_spec *s)
{
    if (!ppq_spec_has(s, 0) || s->in_dtype[0] != PPQ_DT_F32 || s->in_shape[0].rank < 3 ||
        s->in_shape[0].rank > 5 || s->in_const[0])
        return false;
    return s->op->n_out == 1 || !s->op->out[1]; // no Indices
}

// The library counts padding up to the end of the last window, ONNX up to its own padding.
static bool counts_alike(const ppq_window *w, const ppq_dnnl_window *d)
{
    for (int i = 0; i < w->n; i++)
        if (d->pad_hi[i] > w->pad_hi[i])
            return false;
    return true;
}

static ppq_status make(const ppq_kernel_spec *s, ppq_dnnl_pool_kind kind, void **out)
{
    ppq_window w;
    ppq_reason why;
    const ppq_shape *x = &s->in_shape[0];
    if (!ppq_window_init(&w, s->op, x->rank - 2, x->dim + 2, NULL, &why))
        return PPQ_ERR_UNSUPPORTED;
    const ppq_dnnl_window d = ppq_dnnl_window_of(&w, false);
    if (kind == PPQ_DNNL_POOL_AVG_PADDED && !counts_alike(&w, &d))
        return PPQ_ERR_UNSUPPORTED;
    // A window that sees nothing but padding is the plain operator's business.
    for (int i = 0; i < w.n; i++)
        if (w.dilation[i] != 1 || w.pad_lo[i] >= w.kernel[i] || d.pad_hi[i] >= w.kernel[i])
            return PPQ_ERR_UNSUPPORTED;
    const ppq_dnnl_md src = ppq_dnnl_md_of(PPQ_DT_F32, x, PPQ_LAYOUT_CHANNELS_LAST);
    const ppq_dnnl_md dst = ppq_dnnl_md_of(PPQ_DT_F32, &s->out_shape[0], PPQ_LAYOUT_CHANNELS_LAST);
    ppq_dnnl_op *op;
    PPQ_TRY(ppq_dnnl_pool(kind, &src, &dst, &d, &op));
    *out = op;
    return PPQ_OK;
}

static ppq_status prepare_max(const ppq_kernel_spec *s, void **out, ppq_diag *d)
{
    (void) d;
    return make(s, PPQ_DNNL_POOL_MAX, out);
}

static ppq_status prepare_average(const ppq_kernel_spec *s, void **out, ppq_diag *d)
{
    (void) d;
    return make(s,
                ppq_op_attr_int(s->op, "count_include_pad", 0) ? PPQ_DNNL_POOL_AVG_PADDED
                                                               : PPQ_DNNL_POOL_AVG,
                out);
}

const ppq_kernel ppq_kernel_max_pool = {
    .name = "dnnl-max-pool",
    .op_type = "MaxPool",
    .channels_last = true,
    .supports = supports,
    .prepare = prepare_max,
    .forward = ppq_dnnl_forward_unary,
    .release = ppq_dnnl_release,
};

const ppq_kernel ppq_kernel_average_pool = {
    .name = "dnnl-average-pool",
    .op_type = "AveragePool",
    .channels_last = true,
    .supports = supports,
    .prepare = prepare_average,
    .forward = ppq_dnnl_forward_unary,
    .release = ppq_dnnl_release,
};
