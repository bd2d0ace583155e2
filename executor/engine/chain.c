#include "executor/engine/chain.h"

#include <math.h>
#include <string.h>

#include "executor/engine/step.h"

// ---- what can become a post-op --------------------------------------------------------------

static bool scalar_in(const ppq_op *op, int32_t k, double *out)
{
    return k < op->n_in && op->in[k] && ppq_var_is_const(op->in[k]) &&
           ppq_const_scalar(&op->in[k]->value, out);
}

static bool clip_bounds(const ppq_op *op, float *lo, float *hi)
{
    double v;
    *lo = -HUGE_VALF;
    *hi = HUGE_VALF;
    for (int32_t k = 1; k < op->n_in && k < 3; k++) {
        if (!op->in[k])
            continue;
        if (!scalar_in(op, k, &v))
            return false;
        *(k == 1 ? lo : hi) = (float) v;
    }
    return true;
}

// An activation as one element-wise post-op.
static bool activation(const ppq_op *op, ppq_dnnl_post *out)
{
    *out = (ppq_dnnl_post){ .kind = PPQ_DNNL_POST_ELTWISE };
    double slope;
    if (ppq_op_is(op, "Relu")) {
        out->alg = PPQ_DNNL_RELU;
    } else if (ppq_op_is(op, "LeakyRelu")) {
        out->alg = PPQ_DNNL_RELU;
        out->alpha = ppq_op_attr_float(op, "alpha", 0.01f);
    } else if (ppq_op_is(op, "PRelu") && scalar_in(op, 1, &slope)) {
        out->alg = PPQ_DNNL_RELU;
        out->alpha = (float) slope;
    } else if (ppq_op_is(op, "Clip")) {
        out->alg = PPQ_DNNL_CLIP;
        return clip_bounds(op, &out->alpha, &out->beta);
    } else if (ppq_op_is(op, "Sigmoid")) {
        out->alg = PPQ_DNNL_LOGISTIC;
    } else if (ppq_op_is(op, "Tanh")) {
        out->alg = PPQ_DNNL_TANH;
    } else if (ppq_op_is(op, "HardSwish")) {
        out->alg = PPQ_DNNL_HARD_SWISH;
    } else if (ppq_op_is(op, "Swish")) {
        out->alg = PPQ_DNNL_SWISH;
        out->alpha = ppq_op_attr_float(op, "alpha", 1);
    } else if (ppq_op_is(op, "Elu")) {
        out->alg = PPQ_DNNL_ELU;
        out->alpha = ppq_op_attr_float(op, "alpha", 1);
    } else if (ppq_op_is(op, "Gelu") && !ppq_op_attr_is(op, "approximate", "tanh")) {
        out->alg = PPQ_DNNL_GELU_ERF;
    } else {
        return false;
    }
    return true;
}

// ---- operands -------------------------------------------------------------------------------

static bool computed(const ppq_plan *p, const ppq_var *v)
{
    const ppq_op *op = v->producer.op;
    ppq_grid g;
    if (!op)
        return v->is_input;
    return ppq_grid_of_op(op, &g) ? computed(p, op->in[0]) : p->done[op->id];
}

static bool constant(const ppq_var *v)
{
    const ppq_op *op = v->producer.op;
    return ppq_var_is_const(v) ||
           (op && ppq_op_is(op, "DequantizeLinear") && ppq_var_is_const(op->in[0]));
}

// Whether a tensor of shape `s` broadcasts along `axis` of `to` only.
static bool per_channel(const ppq_shape *s, const ppq_shape *to, int axis)
{
    const int lead = to->rank - s->rank;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] != (i + lead == axis ? to->dim[axis] : 1))
            return false;
    return lead >= 0 && axis >= lead;
}

static const ppq_var *other_input(const ppq_op *op, const ppq_var *v)
{
    if (op->n_in != 2 || op->in[0] == op->in[1])
        return NULL;
    return op->in[0] == v ? op->in[1] : op->in[0];
}

// ---- following ------------------------------------------------------------------------------

static const ppq_op *only_reader(const ppq_plan *p, const ppq_var *v)
{
    if (v->is_output || v->n_uses != 1 || (p->o.tapped && p->o.tapped[v->id]))
        return NULL;
    const ppq_op *op = v->uses[0].op;
    return v->uses[0].slot < op->n_in && !p->done[op->id] ? op : NULL;
}

static void take(ppq_chain *c, const ppq_op *op, const ppq_var *out)
{
    c->ops[c->n_ops++] = op;
    c->ops[c->n_ops] = NULL;
    c->out = out;
}

static bool take_bias(const ppq_plan *p, const ppq_op *op, const ppq_chain_opts *o, ppq_chain *c)
{
    const ppq_var *b = ppq_op_is(op, "Add") ? other_input(op, c->out) : NULL;
    const ppq_shape *s = &p->shape[c->out->id];
    if (!b || c->n_post || c->bias || !constant(b) || p->dtype[b->id] != PPQ_DT_F32 ||
        !per_channel(&p->shape[b->id], s, o->channel_axis))
        return false;
    c->bias = b;
    take(c, op, op->out[0]);
    return true;
}

static void post_eltwise(ppq_chain *c, ppq_dnnl_alg alg, float alpha, float beta)
{
    c->post[c->n_post++] =
        (ppq_dnnl_post){ .kind = PPQ_DNNL_POST_ELTWISE, .alg = alg, .alpha = alpha, .beta = beta };
}

// oneDNN 2.6's AVX2 convolutions compute wrong numbers when one element-wise algorithm occurs
// twice.
static bool has(const ppq_chain *c, ppq_dnnl_alg alg)
{
    for (int i = 0; i < c->n_post; i++)
        if (c->post[i].kind == PPQ_DNNL_POST_ELTWISE && c->post[i].alg == alg)
            return true;
    return false;
}

// Those that commute with a change of unit.
static bool scales(const ppq_dnnl_post *post)
{
    return post->kind == PPQ_DNNL_POST_ELTWISE &&
           (post->alg == PPQ_DNNL_RELU || post->alg == PPQ_DNNL_CLIP);
}

static bool take_sum(const ppq_plan *p, const ppq_op *op, const ppq_chain_opts *o, ppq_chain *c)
{
    const ppq_var *b = ppq_op_is(op, "Add") ? other_input(op, c->out) : NULL;
    if (!b || o->cut >= PPQ_CHAIN_NO_SUM || c->sum || constant(b) || !computed(p, b) ||
        p->dtype[b->id] != PPQ_DT_F32 || !ppq_shape_equal(&p->shape[b->id], &p->shape[c->out->id]))
        return false;
    ppq_dnnl_post post = { .kind = PPQ_DNNL_POST_SUM, .scale = 1 };
    if (o->integers && ppq_grid_of_var(b, &c->sum_grid)) {
        c->sum = c->sum_grid.q;
        post.scale = c->sum_grid.scale / c->unit;
        post.zero = c->sum_grid.zero;
        post.dtype = PPQ_DT_U8;
    } else if (c->unit != 1) {
        return false; // a float summand is in real units
    } else {
        c->sum_grid.q = NULL;
        c->sum = b;
    }
    c->post[c->n_post++] = post;
    take(c, op, op->out[0]);
    return true;
}

static bool take_activation(const ppq_op *op, ppq_chain *c)
{
    ppq_dnnl_post post;
    if (op->in[0] != c->out || !activation(op, &post) || has(c, post.alg) ||
        (c->unit != 1 && !scales(&post)))
        return false;
    if (post.alg == PPQ_DNNL_CLIP) {
        post.alpha /= c->unit;
        post.beta /= c->unit;
    }
    c->post[c->n_post++] = post;
    take(c, op, op->out[0]);
    return true;
}

// A bound that the integers have anyway needs no post-op.
static void drop_redundant(ppq_chain *c, const ppq_grid *g)
{
    const float lo = (float) -g->zero * g->scale / c->unit;
    const float hi = (float) (255 - g->zero) * g->scale / c->unit;
    while (c->n_post) {
        const ppq_dnnl_post *last = &c->post[c->n_post - 1];
        const bool relu = last->alg == PPQ_DNNL_RELU && last->alpha == 0 && g->zero == 0;
        const bool clip = last->alg == PPQ_DNNL_CLIP && last->alpha <= lo && last->beta >= hi;
        if (last->kind != PPQ_DNNL_POST_ELTWISE || (!relu && !clip))
            return;
        c->n_post--;
    }
}

// Quantizing and dequantizing on a float in a register: from here on numbers are quanta of `g`, so
// that rounding and clamping is all there is to do.
static bool post_fake_quant(ppq_chain *c, const ppq_grid *g)
{
    drop_redundant(c, g);
    for (int i = 0; i < c->n_post; i++)
        if (!scales(&c->post[i]) || c->post[i].alg == PPQ_DNNL_CLIP)
            return false;
    c->unit = g->scale;
    post_eltwise(c, PPQ_DNNL_ROUND, 0, 0);
    post_eltwise(c, PPQ_DNNL_CLIP, (float) -g->zero, (float) (255 - g->zero));
    return true;
}

// Past Q -> DQ into a residual addition: the grid in between becomes post-ops.
static bool take_requantized_sum(const ppq_plan *p, const ppq_op *q, const ppq_grid *g,
                                 const ppq_chain_opts *o, ppq_chain *c)
{
    const ppq_op *dq = only_reader(p, q->out[0]);
    if (!dq || !ppq_op_is(dq, "DequantizeLinear") || c->n_ops + 3 > PPQ_CHAIN_OPS ||
        c->n_post + 6 > PPQ_CHAIN_POSTS)
        return false;
    const ppq_op *add = only_reader(p, dq->out[0]);
    if (!add)
        return false;
    const ppq_chain before = *c;
    if (post_fake_quant(c, g)) {
        take(c, q, q->out[0]);
        take(c, dq, dq->out[0]);
        if (take_sum(p, add, o, c))
            return true;
    }
    *c = before;
    return false;
}

void ppq_chain_follow(const ppq_plan *p, const ppq_op *op, const ppq_chain_opts *o, ppq_chain *c)
{
    *c = (ppq_chain){ .out = op->out[0], .unit = 1 };
    ppq_chain without = { .out = NULL }; // the chain up to where a sum came in
    const ppq_op *next;
    while (!c->quantized && c->n_ops < PPQ_CHAIN_OPS && c->n_post + 1 < PPQ_CHAIN_POSTS &&
           (next = only_reader(p, c->out)) != NULL && !p->unmoored[next->out[0]->id]) {
        ppq_grid g;
        const ppq_chain before = *c;
        if (o->integers && ppq_op_is(next, "QuantizeLinear") && ppq_grid_of_op(next, &g)) {
            ppq_chain ended = *c;
            ended.quantized = true;
            ended.grid = g;
            take(&ended, next, next->out[0]);
            if (!take_requantized_sum(p, next, &g, o, c))
                *c = ended;
            else
                without = ended;
            continue;
        }
        if (take_bias(p, next, o, c) || (o->cut < PPQ_CHAIN_NO_POST && take_activation(next, c)))
            continue;
        if (!take_sum(p, next, o, c))
            break;
        without = before;
    }
    // oneDNN adds in place: both sides must have one type.
    if (c->sum && c->quantized != (c->sum_grid.q != NULL))
        *c = without;
    if (c->quantized)
        drop_redundant(c, &c->grid);
}

ppq_status ppq_chain_try_cuts(ppq_plan *p, const ppq_op *op,
                              ppq_status (*lower)(ppq_plan *p, const ppq_op *op, ppq_chain_cut cut))
{
    ppq_status st = PPQ_ERR_UNSUPPORTED;
    for (int cut = 0; cut < PPQ_CHAIN_CUTS && st == PPQ_ERR_UNSUPPORTED; cut++)
        st = lower(p, op, (ppq_chain_cut) cut);
    return st;
}

void ppq_chain_done(ppq_plan *p, const ppq_op *op, const ppq_chain *c)
{
    ppq_plan_done(p, op);
    for (int i = 0; i < c->n_ops; i++)
        ppq_plan_done(p, c->ops[i]);
    p->info.n_fused_ops += (size_t) c->n_ops;
}

ppq_status ppq_chain_output(ppq_plan *p, const ppq_op *op, const ppq_chain *c, ppq_layout layout,
                            int32_t *summand, int32_t *out)
{
    const ppq_shape *s = &p->shape[c->out->id];
    const ppq_dtype dt = c->quantized ? PPQ_DT_U8 : PPQ_DT_F32;
    *summand = PPQ_NO_VALUE;
    if (!c->sum) {
        *out = ppq_plan_new_value(p, c->out, dt, s, layout);
    } else {
        const ppq_want want = layout == PPQ_LAYOUT_PLAIN ? PPQ_WANT_PLAIN : PPQ_WANT_LAST;
        PPQ_TRY(ppq_plan_read(p, c->sum, want, true, summand));
        const ppq_value *v = ppq_plan_value(p, *summand);
        const ppq_storage *st = p->storages[v->storage];
        if (v->dtype != dt)
            return PPQ_ERR_UNSUPPORTED;
        if (st->kind != PPQ_STORAGE_ARENA || st->shared ||
            !ppq_plan_read_by_done_only(p, c->sum, c->ops))
            PPQ_TRY(ppq_step_copy(p, op, *summand, summand));
        *out = ppq_plan_new_alias(p, c->out, dt, s, layout, *summand);
    }
    ppq_plan_value(p, *out)->flipped = c->quantized && c->grid.flipped;
    return PPQ_OK;
}
