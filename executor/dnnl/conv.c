#include <stdlib.h>
#include <string.h>

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

// For as many threads as the caller has set.
static ppq_status make(const ppq_kernel_spec *s, const ppq_conv_shape *shape, state **out)
{
    state *st = calloc(1, sizeof(*st));
    if (!st)
        return PPQ_ERR_NOMEM;
    st->transposed = shape->transposed;
    st->groups = shape->groups;
    const ppq_layout last = PPQ_LAYOUT_CHANNELS_LAST;
    ppq_dnnl_operands m = { .src = ppq_dnnl_md_of(PPQ_DT_F32, &s->in_shape[0], last),
                            .dst = ppq_dnnl_md_of(PPQ_DT_F32, &s->out_shape[0], last) };
    const ppq_tensor *w = ppq_spec_const(s, 1);
    const ppq_dnnl_md plain =
        weights_md(&s->in_shape[1], w ? w->layout : PPQ_LAYOUT_PLAIN, st->groups, st->transposed);
    m.weights = ppq_dnnl_md_any(&plain);
    if (ppq_spec_has(s, 2))
        m.bias = ppq_dnnl_md_of(PPQ_DT_F32, &s->in_shape[2], PPQ_LAYOUT_PLAIN);
    const ppq_dnnl_window window = ppq_dnnl_window_of(&shape->win, st->transposed);
    ppq_status rc = ppq_dnnl_conv(&m, &window, st->groups > 1, st->transposed, NULL, &st->op);
    if (rc == PPQ_OK && w)
        rc = ppq_dnnl_pack(st->op, PPQ_DNNL_WEIGHTS, &plain, w, &st->weights);
    if (rc == PPQ_OK)
        *out = st;
    else
        release(st);
    return rc;
}

static ppq_status make_for(int n_threads, const ppq_kernel_spec *s, const ppq_conv_shape *shape,
                           state **out)
{
    const int before = ppq_dnnl_get_threads();
    ppq_dnnl_set_threads(n_threads);
    const ppq_status st = make(s, shape, out);
    ppq_dnnl_set_threads(before);
    return st;
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

// Values of every size and sign, so that another order of summation shows.
static ppq_status make_noise(const ppq_shape *s, ppq_layout layout, ppq_tensor *out)
{
    PPQ_TRY(ppq_tensor_alloc(out, PPQ_DT_F32, s));
    out->layout = s->rank >= 3 ? layout : PPQ_LAYOUT_PLAIN;
    uint32_t seed = 1;
    float *x = ppq_f32(out);
    const int64_t n = ppq_shape_numel(s);
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float) (int32_t) seed * 0x1p-31f;
    }
    return PPQ_OK;
}

// Whether both states give the same bytes for noise.
static bool agree(const ppq_kernel_spec *s, const state *a, const state *b)
{
    enum { SLOTS = 3 };
    ppq_tensor noise[SLOTS] = { { .dtype = PPQ_DT_NONE } }, out[2] = { { .dtype = PPQ_DT_NONE } };
    const ppq_tensor *in[SLOTS] = { NULL };
    bool same = true;
    for (int i = 0; i < SLOTS && same; i++) {
        if (!ppq_spec_has(s, i))
            continue;
        same = make_noise(&s->in_shape[i], PPQ_LAYOUT_CHANNELS_LAST, &noise[i]) == PPQ_OK;
        in[i] = &noise[i];
    }
    for (int i = 0; i < 2 && same; i++) {
        ppq_kernel_ctx c = { .op = s->op, .opset = s->opset, .in = in, .out = &out[i] };
        same = ppq_tensor_alloc(&out[i], PPQ_DT_F32, &s->out_shape[0]) == PPQ_OK &&
               forward(i ? b : a, &c) == PPQ_OK;
    }
    same = same && memcmp(ppq_tensor_data(&out[0]), ppq_tensor_data(&out[1]),
                          ppq_tensor_bytes(&out[0])) == 0;
    for (int i = 0; i < SLOTS; i++)
        ppq_tensor_unref(&noise[i]);
    ppq_tensor_unref(&out[0]);
    ppq_tensor_unref(&out[1]);
    return same;
}

// The number of threads must not show in the result, and the library does not promise that: where
// it does show, one thread does the work.
static ppq_status prepare(const ppq_kernel_spec *s, bool transposed, void **out)
{
    ppq_conv_shape shape;
    if (!shape_of(s, transposed, &shape))
        return PPQ_ERR_UNSUPPORTED;
    state *one, *many = NULL;
    PPQ_TRY(make_for(1, s, &shape, &one));
    if (s->n_threads > 1 && make_for(s->n_threads, s, &shape, &many) == PPQ_OK &&
        agree(s, one, many)) {
        release(one);
        *out = many;
        return PPQ_OK;
    }
    release(many);
    *out = one;
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
