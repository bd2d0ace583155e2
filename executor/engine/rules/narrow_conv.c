#include <string.h>

#include "executor/dnnl/run.h"
#include "executor/engine/rules/conv_common.h"

// A float Conv with fewer output channels than a vector has lanes, where oneDNN has nothing but its
// general implementation: computed with eight channels, of which the first are kept.

enum { LANES = 8 };

typedef struct state {
    int64_t pixels, channels;
} state;

static void run_pixels(const ppq_rows *x, int64_t begin, int64_t end)
{
    const state *s = x->state;
    const size_t n = (size_t) s->channels * sizeof(float), wide = LANES * sizeof(float);
    for (int64_t i = begin; i < end; i++)
        memcpy(x->dst + (size_t) i * n, x->src + (size_t) i * wide, n);
}

static ppq_status run(const ppq_step *s, ppq_call *c)
{
    const state *t = s->state;
    return ppq_call_rows(c, s, t->pixels, run_pixels);
}

static ppq_status widen(ppq_operands *o, const ppq_tensor **out)
{
    const ppq_tensor *w = ppq_operands_weights(o);
    ppq_shape s = w->shape;
    s.dim[0] = LANES;
    ppq_tensor t;
    PPQ_TRY(ppq_tensor_alloc(&t, PPQ_DT_F32, &s));
    memset(ppq_tensor_data(&t), 0, ppq_tensor_bytes(&t));
    memcpy(ppq_tensor_data(&t), ppq_tensor_data(w), ppq_tensor_bytes(w));
    if (o->bias) {
        float *bias = ppq_new_n(o->p->arena, float, LANES);
        memcpy(bias, o->bias, (size_t) o->channels * sizeof(float));
        o->bias = bias;
    }
    o->channels = LANES;
    *out = ppq_plan_keep(o->p, &t);
    return PPQ_OK;
}

static ppq_status emit(ppq_operands *o, const ppq_conv_shape *shape)
{
    ppq_plan *p = o->p;
    const ppq_shape *x = &p->shape[o->op->in[0]->id], *y = &p->shape[o->chain.out->id];
    const ppq_dnnl_window w = ppq_dnnl_window_of(&shape->win, false);
    if (!ppq_conv_is_general(o, shape, &w, x, ppq_operands_weights(o)))
        return PPQ_ERR_UNSUPPORTED;
    state *s = ppq_new(p->arena, state);
    *s = (state){ ppq_shape_numel(y) / o->channels, o->channels };
    const ppq_tensor *weights;
    ppq_shape wide = *y;
    wide.dim[1] = LANES;
    PPQ_TRY(widen(o, &weights));
    o->target = ppq_plan_new_value(p, NULL, PPQ_DT_F32, &wide, PPQ_LAYOUT_CHANNELS_LAST);
    o->has_target = true;
    if (ppq_conv_is_general(o, shape, &w, x, weights))
        return PPQ_ERR_UNSUPPORTED;
    PPQ_TRY(ppq_conv_emit(o, shape, &w, x, weights));
    const int32_t out =
        ppq_plan_new_value(p, o->chain.out, PPQ_DT_F32, y, PPQ_LAYOUT_CHANNELS_LAST);
    ppq_plan_add_step(p, o->op, "narrow", run, &o->target, 1, &out, 1)->state = s;
    return PPQ_OK;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    ppq_operands o = { .p = p, .op = op };
    ppq_conv_shape shape;
    if (p->shape[op->out[0]->id].rank < 3 || p->shape[op->out[0]->id].dim[1] >= LANES)
        return PPQ_ERR_UNSUPPORTED;
    ppq_status st = ppq_conv_describe(&o, &shape, PPQ_CHAIN_NO_SUM, true);
    if (st == PPQ_OK)
        st = !o.int8 && shape.groups == 1 ? emit(&o, &shape) : PPQ_ERR_UNSUPPORTED;
    ppq_operands_fini(&o);
    return st;
}

static const char *const types[] = { "Conv", NULL };

const ppq_rule ppq_rule_narrow_conv = {
    .name = "narrow-conv",
    .summary = "a float Conv of few output channels, computed with eight",
    .types = types,
    .lower = lower,
};
