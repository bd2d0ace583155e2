#include <string.h>

#include "executor/engine/rules/conv_common.h"

// ConvTranspose whose windows do not overlap (stride = kernel, no padding): a pointwise product
// that gives every pixel its whole window as channels, and a rearrangement.

typedef struct state {
    int64_t rows, cols; // pixels of the source, all images
    int64_t kernel[2];
    size_t strip; // bytes of one row of a window: kernel[1] x channels
} state;

// Row r of the result takes strip r % kernel of every pixel of source row r / kernel.
static void run_rows(const ppq_rows *x, int64_t begin, int64_t end)
{
    const state *s = x->state;
    const size_t pixel = s->strip * (size_t) s->kernel[0], row = s->strip * (size_t) s->cols;
    for (int64_t r = begin; r < end; r++) {
        const unsigned char *src = x->src + (size_t) (r / s->kernel[0] * s->cols) * pixel +
                                   (size_t) (r % s->kernel[0]) * s->strip;
        unsigned char *dst = x->dst + (size_t) r * row;
        for (int64_t c = 0; c < s->cols; c++)
            memcpy(dst + (size_t) c * s->strip, src + (size_t) c * pixel, s->strip);
    }
}

static ppq_status run(const ppq_step *s, ppq_call *c)
{
    const state *t = s->state;
    return ppq_call_rows(c, s, t->rows * t->kernel[0], run_rows);
}

static bool fits(const ppq_conv_shape *s)
{
    const ppq_window *w = &s->win;
    if (!s->transposed || s->groups != 1 || w->n != 2)
        return false;
    for (int i = 0; i < 2; i++)
        if (w->stride[i] != w->kernel[i] || w->dilation[i] != 1 || w->pad_lo[i] || w->pad_hi[i] ||
            w->out[i] != w->in[i] * w->kernel[i])
            return false;
    return true;
}

// in x out x height x width becomes (height, width, out) x in: a window after the other.
static ppq_status unfold_weights(ppq_operands *o, const ppq_tensor *w, const ppq_tensor **out)
{
    const int64_t ic = w->shape.dim[0], oc = w->shape.dim[1];
    const int64_t taps = w->shape.dim[2] * w->shape.dim[3];
    const ppq_shape s = { .rank = 4, .dim = { taps * oc, ic, 1, 1 } };
    const size_t size = ppq_dtype_size(w->dtype);
    ppq_tensor t;
    PPQ_TRY(ppq_tensor_alloc(&t, w->dtype, &s));
    const unsigned char *from = ppq_tensor_data(w);
    unsigned char *to = ppq_tensor_data(&t);
    for (int64_t i = 0; i < ic; i++)
        for (int64_t c = 0; c < oc; c++)
            for (int64_t k = 0; k < taps; k++)
                memcpy(to + (size_t) ((k * oc + c) * ic + i) * size,
                       from + (size_t) ((i * oc + c) * taps + k) * size, size);
    *out = ppq_plan_keep(o->p, &t);
    return PPQ_OK;
}

// What there is once per output channel is there once per tap and channel now.
static const float *repeat(ppq_plan *p, const float *x, int64_t n, int64_t taps)
{
    float *y = ppq_new_n(p->arena, float, (size_t) (n * taps));
    for (int64_t i = 0; i < n * taps; i++)
        y[i] = x[i % n];
    return y;
}

static ppq_status emit(ppq_operands *o, const ppq_conv_shape *shape)
{
    ppq_plan *p = o->p;
    const ppq_window *w = &shape->win;
    const int64_t taps = w->kernel[0] * w->kernel[1], oc = o->channels;
    const ppq_shape *x = &p->shape[o->op->in[0]->id], *y = &p->shape[o->chain.out->id];
    const ppq_tensor *weights;
    PPQ_TRY(unfold_weights(o, ppq_operands_weights(o), &weights));
    if (o->bias)
        o->bias = (float *) (uintptr_t) repeat(p, o->bias, oc, taps);
    if (o->int8 && o->weights.n > 1) {
        o->weights.scale = repeat(p, o->weights.scale, oc, taps);
        o->weights.n = oc * taps;
    }
    o->channels = oc * taps;
    const ppq_layout last = PPQ_LAYOUT_CHANNELS_LAST;
    const ppq_shape wide = { .rank = 4, .dim = { x->dim[0], o->channels, x->dim[2], x->dim[3] } };
    o->target = ppq_plan_new_value(p, NULL, ppq_operands_dst_type(o), &wide, last);
    o->has_target = true;
    const ppq_conv_shape pointwise = { .win = { .n = 2, .out = { x->dim[2], x->dim[3] } },
                                       .batch = shape->batch,
                                       .groups = 1 };
    const ppq_dnnl_window window = {
        .n = 2, .kernel = { 1, 1 }, .stride = { 1, 1 }, .dilation = { 1, 1 }
    };
    PPQ_TRY(ppq_conv_emit(o, &pointwise, &window, x, weights));
    const int32_t out = ppq_plan_new_value(p, o->chain.out, ppq_operands_dst_type(o), y, last);
    ppq_plan_value(p, out)->flipped = o->chain.quantized && o->chain.grid.flipped;
    state *s = ppq_new(p->arena, state);
    *s =
        (state){ .rows = x->dim[0] * x->dim[2],
                 .cols = x->dim[3],
                 .kernel = { w->kernel[0], w->kernel[1] },
                 .strip = (size_t) (w->kernel[1] * oc) * ppq_dtype_size(ppq_operands_dst_type(o)) };
    ppq_plan_add_step(p, o->op, "rearrange", run, &o->target, 1, &out, 1)->state = s;
    return PPQ_OK;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    ppq_operands o = { .p = p, .op = op };
    ppq_conv_shape shape;
    ppq_status st = ppq_conv_describe(&o, &shape, PPQ_CHAIN_NO_SUM, true);
    if (st == PPQ_OK)
        st = fits(&shape) ? emit(&o, &shape) : PPQ_ERR_UNSUPPORTED;
    ppq_operands_fini(&o);
    return st;
}

static const char *const types[] = { "ConvTranspose", NULL };

const ppq_rule ppq_rule_unfold_transpose = {
    .name = "unfold-transpose",
    .summary = "ConvTranspose without overlap: a pointwise product and a rearrangement",
    .types = types,
    .lower = lower,
};
