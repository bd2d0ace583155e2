#include <math.h>
#include <string.h>

#include "executor/dnnl/run.h"
#include "executor/engine/kernels/quantize.h"
#include "executor/engine/rules/conv_common.h"

// The first Conv of an image network, whose input is a float image of up to four planes: the image
// is quantized, interleaved, padded with the zero point and brought to four channels in one go. The
// convolution then has neither padding nor a zero point, which are what slows it down.

typedef struct state {
    ppq_q8_image image;
    ppq_q8 to;
    ppq_isa isa;
    size_t src_step, dst_step; // bytes of an image
    int64_t rows;
} state;

static void run_rows(const ppq_rows *x, int64_t begin, int64_t end)
{
    const state *s = x->state;
    for (int64_t r = begin; r < end;) {
        const int64_t n = r / s->rows, from = r % s->rows;
        const int64_t to = PPQ_MIN(s->rows, from + end - r);
        const void *src = x->src + (size_t) n * s->src_step;
        ppq_q8_image_quantize(s->isa, &s->image, &s->to, src, x->dst + (size_t) n * s->dst_step,
                              from, to);
        r += to - from;
    }
}

static ppq_status run(const ppq_step *s, ppq_call *c)
{
    const state *t = s->state;
    return ppq_call_rows(c, s, ppq_call_tensor(c, s->in[0])->shape.dim[0] * t->rows, run_rows);
}

// The float image that is quantized for this op alone.
static const ppq_var *image_of(const ppq_plan *p, const ppq_op *op)
{
    ppq_grid g;
    const ppq_var *x = op->in[0];
    if (!ppq_grid_of_var(x, &g) || x->n_uses != 1 || x->is_output || p->shape[x->id].rank != 4 ||
        p->shape[x->id].dim[1] > PPQ_Q8_PIXEL)
        return NULL;
    const ppq_op *q = g.q->producer.op;
    if (!q || !ppq_op_is(q, "QuantizeLinear") || g.q->n_uses != 1 || g.q->is_output ||
        p->first[g.q->id] != PPQ_NO_VALUE || (p->o.tapped && p->o.tapped[g.q->id]) ||
        ppq_plan_layout(p, q->in[0]) != PPQ_LAYOUT_PLAIN)
        return NULL;
    return q->in[0];
}

static ppq_status make_image(ppq_plan *p, ppq_operands *o, const ppq_var *x,
                             const ppq_dnnl_window *w, ppq_shape *shape)
{
    const ppq_shape *s = &p->shape[x->id];
    state *t = ppq_new(p->arena, state);
    t->image = (ppq_q8_image){ .channels = s->dim[1],
                               .height = s->dim[2],
                               .width = s->dim[3],
                               .top = w->pad_lo[0],
                               .left = w->pad_lo[1],
                               .bottom = PPQ_MAX(w->pad_hi[0], 0),
                               .right = PPQ_MAX(w->pad_hi[1], 0) };
    t->to = ppq_q8_u8(o->src.scale, o->src.zero);
    t->isa = ppq_plan_isa(p);
    t->src_step = (size_t) (s->dim[1] * s->dim[2] * s->dim[3]) * sizeof(float);
    t->dst_step = ppq_q8_image_bytes(&t->image);
    t->rows = ppq_q8_image_rows(&t->image);
    *shape = (ppq_shape){ .rank = 4,
                          .dim = { s->dim[0], PPQ_Q8_PIXEL, t->rows,
                                   t->image.left + s->dim[3] + t->image.right } };
    int32_t in;
    PPQ_TRY(ppq_plan_read(p, x, PPQ_WANT_PLAIN, false, &in));
    o->source = ppq_plan_new_value(p, NULL, PPQ_DT_U8, shape, PPQ_LAYOUT_CHANNELS_LAST);
    o->has_source = true;
    ppq_plan_add_step(p, o->op, "quantize image", run, &in, 1, &o->source, 1)->state = t;
    return PPQ_OK;
}

// A bias so large that float32 cannot hold its quanta would spoil the result.
static bool bias_is_fine(const ppq_operands *o)
{
    float most = 0;
    for (int64_t c = 0; c < o->channels; c++)
        most = fmaxf(most, fabsf(o->bias[c]));
    return !o->chain.quantized || most < o->chain.grid.scale * 0x1p20f;
}

// The weights with zeros for the channels that were added; the zero point's share of every sum goes
// into the bias.
static ppq_status widen(ppq_operands *o, const ppq_tensor **out)
{
    const ppq_tensor *w = o->weights.t;
    ppq_shape s = w->shape;
    const int64_t pixels = s.dim[2] * s.dim[3], ic = s.dim[1];
    s.dim[1] = PPQ_Q8_PIXEL;
    ppq_tensor t;
    PPQ_TRY(ppq_tensor_alloc(&t, PPQ_DT_I8, &s));
    memset(ppq_tensor_data(&t), 0, ppq_tensor_bytes(&t));
    const int8_t *from = ppq_tensor_data(w);
    int8_t *to = ppq_tensor_data(&t);
    if (!o->bias)
        o->bias = ppq_new_n(o->p->arena, float, (size_t) o->channels);
    for (int64_t c = 0; c < o->channels; c++) {
        memcpy(to + c * PPQ_Q8_PIXEL * pixels, from + c * ic * pixels, (size_t) (ic * pixels));
        int64_t sum = 0;
        for (int64_t i = 0; i < ic * pixels; i++)
            sum += from[c * ic * pixels + i];
        const double scale =
            (double) o->src.scale * (double) o->weights.scale[o->weights.n == 1 ? 0 : c];
        o->bias[c] = (float) ((double) o->bias[c] - scale * (double) (sum * o->src.zero));
    }
    o->src.zero = 0;
    *out = ppq_plan_keep(o->p, &t);
    return bias_is_fine(o) ? PPQ_OK : PPQ_ERR_UNSUPPORTED;
}

static ppq_status emit(ppq_plan *p, ppq_operands *o, const ppq_conv_shape *shape, const ppq_var *x)
{
    if (!o->int8 || shape->groups != 1)
        return PPQ_ERR_UNSUPPORTED;
    ppq_dnnl_window w = ppq_dnnl_window_of(&shape->win, false);
    ppq_shape src;
    const ppq_tensor *weights;
    PPQ_TRY(make_image(p, o, x, &w, &src));
    PPQ_TRY(widen(o, &weights));
    for (int i = 0; i < 2; i++) {
        w.pad_lo[i] = 0;
        w.pad_hi[i] = PPQ_MIN(w.pad_hi[i], 0);
    }
    return ppq_conv_emit(o, shape, &w, &src, weights);
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    const ppq_var *x = image_of(p, op);
    ppq_operands o = { .p = p, .op = op };
    ppq_conv_shape shape;
    if (!x)
        return PPQ_ERR_UNSUPPORTED;
    ppq_status st = ppq_conv_describe(&o, &shape, PPQ_CHAIN_WHOLE, false);
    if (st == PPQ_OK)
        st = emit(p, &o, &shape, x);
    ppq_operands_fini(&o);
    return st;
}

static const char *const types[] = { "Conv", NULL };

const ppq_rule ppq_rule_image_conv = {
    .name = "image-conv",
    .summary = "the Conv that reads a float image, with the image's quantization",
    .types = types,
    .lower = lower,
    .own = true,
};
