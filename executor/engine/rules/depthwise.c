#include "executor/engine/kernels/depthwise.h"

#include <math.h>

#include "executor/dnnl/run.h"
#include "executor/engine/rules/operands.h"
#include "executor/engine/rules/window_2d.h"
#include "executor/ops/conv_shape.h"

// Depthwise Conv of one or two dimensions on integers, by our own kernel.

static void release(void *state)
{
    ppq_depthwise_destroy(state);
}

static void run_rows(const ppq_rows *x, int64_t begin, int64_t end)
{
    ppq_depthwise_run(x->state, x->src, x->dst, begin, end);
}

static ppq_status run(const ppq_step *s, ppq_call *c)
{
    const ppq_shape *y = &ppq_call_tensor(c, s->out[0])->shape;
    return ppq_call_rows(c, s, y->dim[0] * (y->rank > 3 ? y->dim[2] : 1), run_rows);
}

// The chain's post-ops as bounds of the result. False when they are anything else.
static bool bounds(const ppq_chain *c, float *lo, float *hi)
{
    *lo = -HUGE_VALF;
    *hi = HUGE_VALF;
    for (int i = 0; i < c->n_post; i++) {
        const ppq_dnnl_post *t = &c->post[i];
        const bool relu = t->alg == PPQ_DNNL_RELU && t->alpha == 0;
        if (t->kind != PPQ_DNNL_POST_ELTWISE || (!relu && t->alg != PPQ_DNNL_CLIP))
            return false;
        *lo = fmaxf(*lo, relu ? 0 : t->alpha);
        *hi = relu ? *hi : fminf(*hi, t->beta);
    }
    return *lo <= *hi;
}

static int32_t on_grid(const ppq_grid *g, float x)
{
    const double q = rint((double) x / (double) g->scale) + g->zero;
    return q <= 0 ? 0 : q >= 255 ? 255 : (int32_t) q;
}

static ppq_status emit(ppq_operands *o, const ppq_conv_shape *shape)
{
    ppq_plan *p = o->p;
    const ppq_chain *c = &o->chain;
    const ppq_dnnl_window w = ppq_dnnl_window_of(&shape->win, false);
    const ppq_shape *x = &p->shape[o->op->in[0]->id], *y = &p->shape[o->op->out[0]->id];
    ppq_depthwise_desc d = { .channels = o->channels,
                             .win = ppq_window_2d_of(&w, x, y),
                             .src = ppq_q8_u8(o->src.scale, o->src.zero),
                             .weights = ppq_tensor_data(o->weights.t),
                             .wei_scale = o->weights.scale,
                             .n_wei_scale = o->weights.n,
                             .bias = o->bias,
                             .to_float = !c->quantized };
    if (!bounds(c, &d.lo, &d.hi))
        return PPQ_ERR_UNSUPPORTED;
    if (c->quantized) {
        d.dst = ppq_q8_u8(c->grid.scale, c->grid.zero);
        d.dst.qmin = on_grid(&c->grid, d.lo);
        d.dst.qmax = on_grid(&c->grid, d.hi);
    }
    int32_t in, unused, out;
    ppq_depthwise *k;
    PPQ_TRY(ppq_depthwise_prepare(&d, ppq_plan_isa(p), &k, p->d));
    ppq_status st = ppq_plan_read(p, o->src.q, PPQ_WANT_LAST, true, &in);
    if (st == PPQ_OK)
        st = ppq_chain_output(p, o->op, c, PPQ_LAYOUT_CHANNELS_LAST, &unused, &out);
    if (st != PPQ_OK) {
        ppq_depthwise_destroy(k);
        return st;
    }
    ppq_step *s = ppq_plan_add_step(p, o->op, "depthwise", run, &in, 1, &out, 1);
    s->state = k;
    s->release = release;
    s->int8 = true;
    s->macs = (double) ppq_shape_numel(&p->shape[c->out->id]) * (double) ppq_window_2d_taps(&d.win);
    ppq_chain_done(p, o->op, c);
    return PPQ_OK;
}

static bool is_depthwise(const ppq_plan *p, const ppq_op *op, const ppq_conv_shape *s)
{
    return s->groups > 1 && s->ic == 1 && s->oc == 1 && s->win.n <= 2 &&
           ppq_shape_numel(&p->shape[op->out[0]->id]) > 0;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    ppq_operands o = { .p = p, .op = op };
    ppq_conv_shape shape;
    ppq_reason why;
    ppq_grid g;
    const ppq_var *b = op->n_in > 2 ? op->in[2] : NULL;
    if (!ppq_grid_of_var(op->in[0], &g) || !ppq_weights_of_var(p, op->in[1], &o.weights) ||
        !ppq_conv_shape_init(&shape, op, false, &p->shape[op->in[0]->id], &p->shape[op->in[1]->id],
                             b ? &p->shape[b->id] : NULL, &why) ||
        !is_depthwise(p, op, &shape) || (o.weights.n > 1 && o.weights.axis != 0))
        return PPQ_ERR_UNSUPPORTED;
    o.int8 = true;
    o.src = g;
    o.channels = shape.groups;
    const ppq_chain_opts c = { .channel_axis = 1, .integers = true, .cut = PPQ_CHAIN_NO_SUM };
    ppq_chain_follow(p, op, &c, &o.chain);
    if (!ppq_operands_add_bias(&o, b) || !ppq_operands_add_bias(&o, o.chain.bias))
        return PPQ_ERR_UNSUPPORTED;
    return emit(&o, &shape);
}

static const char *const types[] = { "Conv", NULL };

const ppq_rule ppq_rule_depthwise = {
    .name = "depthwise",
    .summary = "depthwise Conv on integers, by our own kernel",
    .types = types,
    .lower = lower,
    .own = true,
};
