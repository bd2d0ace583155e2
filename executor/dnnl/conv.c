#include <stdlib.h>

#include "executor/dnnl/run.h"
#include "executor/ops/conv_shape.h"

// Conv and ConvTranspose, channels-last. Constant weights are packed once.

typedef struct state {
    ppq_dnnl_op *op;
    bool transposed;
    int64_t groups;
    ppq_tensor weights; // packed; no buffer when they are not constant
} state;

static void release(void *user)
{
    state *s = user;
    if (!s)
        return;
    ppq_dnnl_op_destroy(s->op);
    ppq_tensor_unref(&s->weights);
    free(s);
}

// ONNX weights as [groups,] out, in, spatial.
static ppq_dnnl_md weights_md(const ppq_shape *w, ppq_layout layout, int64_t groups,
                              bool transposed)
{
    const ppq_dnnl_md from = ppq_dnnl_md_of(PPQ_DT_F32, w, layout);
    const int split = groups > 1, whole = split + transposed, part = split + !transposed;
    ppq_dnnl_md md = from;
    md.rank += split;
    for (int i = from.rank - 1; i >= 2; i--) {
        md.dim[i + split] = from.dim[i];
        md.stride[i + split] = from.stride[i];
    }
    md.dim[whole] = from.dim[0] / groups;
    md.stride[whole] = from.stride[0];
    md.dim[part] = from.dim[1];
    md.stride[part] = from.stride[1];
    if (split) {
        md.dim[0] = groups;
        md.stride[0] = from.stride[0] * md.dim[whole];
    }
    return md;
}

static bool shape_of(const ppq_kernel_spec *s, bool transposed, ppq_conv_shape *shape)
{
    ppq_reason why;
    return ppq_conv_shape_init(shape, s->op, transposed, &s->in_shape[0], &s->in_shape[1],
                               ppq_spec_has(s, 2) ? &s->in_shape[2] : NULL, &why);
}

static bool supports(const ppq_kernel_spec *s)
{
    return ppq_spec_is_f32_last(s) && s->in_shape[0].rank <= 5;
}

static ppq_status prepare(const ppq_kernel_spec *s, bool transposed, void **out)
{
    ppq_conv_shape shape;
    if (!shape_of(s, transposed, &shape))
        return PPQ_ERR_UNSUPPORTED;
    state *st = calloc(1, sizeof(*st));
    if (!st)
        return PPQ_ERR_NOMEM;
    st->transposed = transposed;
    st->groups = shape.groups;
    const ppq_layout last = PPQ_LAYOUT_CHANNELS_LAST;
    ppq_dnnl_operands m = { .src = ppq_dnnl_md_of(PPQ_DT_F32, &s->in_shape[0], last),
                            .dst = ppq_dnnl_md_of(PPQ_DT_F32, &s->out_shape[0], last) };
    const ppq_tensor *w = ppq_spec_const(s, 1);
    const ppq_dnnl_md plain =
        weights_md(&s->in_shape[1], w ? w->layout : PPQ_LAYOUT_PLAIN, st->groups, transposed);
    m.weights = ppq_dnnl_md_any(&plain);
    if (ppq_spec_has(s, 2))
        m.bias = ppq_dnnl_md_of(PPQ_DT_F32, &s->in_shape[2], PPQ_LAYOUT_PLAIN);
    const ppq_dnnl_window window = ppq_dnnl_window_of(&shape.win, transposed);
    ppq_status rc = ppq_dnnl_conv(&m, &window, st->groups > 1, transposed, NULL, &st->op);
    if (rc == PPQ_OK && w)
        rc = ppq_dnnl_pack(st->op, PPQ_DNNL_WEIGHTS, &plain, w, &st->weights);
    if (rc != PPQ_OK) {
        release(st);
        return rc;
    }
    *out = st;
    return PPQ_OK;
}

static ppq_status prepare_conv(const ppq_kernel_spec *s, void **out, ppq_diag *d)
{
    (void) d;
    return prepare(s, false, out);
}

static ppq_status prepare_transposed(const ppq_kernel_spec *s, void **out, ppq_diag *d)
{
    (void) d;
    return prepare(s, true, out);
}

static ppq_status forward(const void *user, ppq_kernel_ctx *c)
{
    const state *s = user;
    ppq_tensor weights = { 0 };
    if (!s->weights.buf) {
        const ppq_tensor *w = c->in[1];
        const ppq_dnnl_md md = weights_md(&w->shape, w->layout, s->groups, s->transposed);
        const ppq_status st = ppq_dnnl_pack(s->op, PPQ_DNNL_WEIGHTS, &md, w, &weights);
        if (st != PPQ_OK)
            return ppq_kernel_fail(c, st, "the weights cannot be packed");
    }
    ppq_dnnl_bind bind[] = {
        { PPQ_DNNL_SRC, ppq_tensor_data(c->in[0]) },
        { PPQ_DNNL_WEIGHTS, ppq_tensor_data(weights.buf ? &weights : &s->weights) },
        { PPQ_DNNL_DST, ppq_tensor_data(&c->out[0]) },
        { PPQ_DNNL_BIAS, NULL },
    };
    const bool has_bias = c->op->n_in > 2 && c->in[2];
    if (has_bias)
        bind[3].data = ppq_tensor_data(c->in[2]);
    const ppq_status st = ppq_dnnl_forward(c, s->op, bind, has_bias ? 4 : 3);
    ppq_tensor_unref(&weights);
    return st;
}

const ppq_kernel ppq_kernel_conv = {
    .name = "dnnl-conv",
    .op_type = "Conv",
    .channels_last = true,
    .supports = supports,
    .prepare = prepare_conv,
    .forward = forward,
    .release = release,
};

const ppq_kernel ppq_kernel_conv_transpose = {
    .name = "dnnl-conv-transpose",
    .op_type = "ConvTranspose",
    .channels_last = true,
    .supports = supports,
    .prepare = prepare_transposed,
    .forward = forward,
    .release = release,
};
