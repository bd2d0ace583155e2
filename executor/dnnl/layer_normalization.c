#include "executor/dnnl/run.h"

// LayerNormalization over trailing dimensions, with a scale and a bias of just those.

static bool covers(const ppq_shape *p, const ppq_shape *x, int axis)
{
    if (p->rank != x->rank - axis)
        return false;
    for (int i = 0; i < p->rank; i++)
        if (p->dim[i] != x->dim[axis + i])
            return false;
    return true;
}

static bool supports(const ppq_kernel_spec *s)
{
    int axis;
    const ppq_shape *x = &s->in_shape[0];
    return ppq_spec_is_f32(s) && s->op->n_out == 1 && ppq_spec_has(s, 2) &&
           ppq_axis_normalize(ppq_op_attr_int(s->op, "axis", -1), x->rank, &axis) &&
           covers(&s->in_shape[1], x, axis) && covers(&s->in_shape[2], x, axis);
}

static ppq_status prepare(const ppq_kernel_spec *s, void **out, ppq_diag *d)
{
    (void) d;
    const int64_t n = ppq_shape_numel(&s->in_shape[1]);
    const ppq_shape rows = { .rank = 2, .dim = { ppq_shape_numel(&s->in_shape[0]) / n, n } };
    const ppq_dnnl_md md = ppq_dnnl_md_of(PPQ_DT_F32, &rows, PPQ_LAYOUT_PLAIN);
    ppq_dnnl_op *op;
    PPQ_TRY(ppq_dnnl_layer_norm(&md, ppq_op_attr_float(s->op, "epsilon", 1e-5f), &op));
    *out = op;
    return PPQ_OK;
}

static ppq_status forward(const void *op, ppq_kernel_ctx *c)
{
    const ppq_dnnl_bind bind[] = { { PPQ_DNNL_SRC, ppq_tensor_data(c->in[0]) },
                                   { PPQ_DNNL_SCALE, ppq_tensor_data(c->in[1]) },
                                   { PPQ_DNNL_SHIFT, ppq_tensor_data(c->in[2]) },
                                   { PPQ_DNNL_DST, ppq_tensor_data(&c->out[0]) } };
    return ppq_dnnl_forward(c, op, bind, PPQ_COUNT(bind));
}

const ppq_kernel ppq_kernel_layer_normalization = {
    .name = "dnnl-layer-norm",
    .op_type = "LayerNormalization",
    .supports = supports,
    .prepare = prepare,
    .forward = forward,
    .release = ppq_dnnl_release,
};
