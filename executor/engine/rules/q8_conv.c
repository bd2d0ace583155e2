#include "executor/engine/kernels/q8_conv.h"

#include "executor/engine/rules/conv_common.h"
#include "executor/engine/rules/window_2d.h"

// Convolutions and matrix products whose sums would saturate in oneDNN's on this CPU, by our own
// kernel.

static void run_units(const ppq_rows *x, int64_t begin, int64_t end)
{
    ppq_q8_conv_run(x->state, x->src, x->dst, x->scratch, begin, end);
}

static ppq_status run(const ppq_step *s, ppq_call *c)
{
    return ppq_call_rows(c, s, ppq_q8_conv_units(s->state), run_units);
}

// ---- what follows ---------------------------------------------------------------------------

static bool function(const ppq_dnnl_post *t, ppq_q8_end *e)
{
    e->kind = PPQ_Q8_END_FUNCTION;
    e->a = t->alpha;
    switch (t->alg) {
    case PPQ_DNNL_LOGISTIC:
        e->function = PPQ_POINTWISE_SIGMOID;
        return true;
    case PPQ_DNNL_TANH:
        e->function = PPQ_POINTWISE_TANH;
        return true;
    case PPQ_DNNL_ELU:
        e->function = PPQ_POINTWISE_ELU;
        return true;
    case PPQ_DNNL_EXP:
        e->function = PPQ_POINTWISE_EXP;
        return true;
    case PPQ_DNNL_GELU_ERF:
        e->function = PPQ_POINTWISE_GELU;
        return true;
    case PPQ_DNNL_SWISH:
        e->function = PPQ_POINTWISE_SWISH;
        return true;
    case PPQ_DNNL_RELU:
    case PPQ_DNNL_CLIP:
    case PPQ_DNNL_LINEAR:
    case PPQ_DNNL_HARD_SWISH:
    case PPQ_DNNL_ROUND:
    case PPQ_DNNL_ADD:
    case PPQ_DNNL_SUB:
    case PPQ_DNNL_MUL:
    case PPQ_DNNL_DIV:
    case PPQ_DNNL_MAX:
    case PPQ_DNNL_MIN:
        break;
    }
    return false;
}

static bool end(const ppq_dnnl_post *t, ppq_q8_end *e)
{
    *e = (ppq_q8_end){ .a = t->alpha, .b = t->beta };
    if (t->kind == PPQ_DNNL_POST_SUM) {
        *e = (ppq_q8_end){ .kind = PPQ_Q8_END_ADD, .a = t->scale, .zero = t->zero };
        return true;
    }
    if (t->kind != PPQ_DNNL_POST_ELTWISE)
        return false;
    if (t->alg == PPQ_DNNL_RELU)
        e->kind = PPQ_Q8_END_RELU;
    else if (t->alg == PPQ_DNNL_CLIP)
        e->kind = PPQ_Q8_END_CLIP;
    else if (t->alg == PPQ_DNNL_LINEAR)
        e->kind = PPQ_Q8_END_LINEAR;
    else if (t->alg == PPQ_DNNL_ROUND)
        e->kind = PPQ_Q8_END_ROUND;
    else if (t->alg == PPQ_DNNL_HARD_SWISH)
        e->kind = PPQ_Q8_END_HARD_SWISH;
    else
        return function(t, e);
    return true;
}

// ---- emitting -------------------------------------------------------------------------------

static ppq_status pack(const ppq_operands *o, ppq_q8_conv *k, ppq_tensor *out)
{
    const ppq_dnnl_quant q = ppq_operands_quant(o);
    const ppq_shape bytes = ppq_shape_1d((int64_t) ppq_q8_conv_bytes(k));
    double *scale = ppq_new_n(o->p->arena, double, (size_t) o->channels);
    for (int64_t i = 0; i < o->channels; i++) {
        scale[i] = (double) q.src_scale * (double) q.wei_scale[q.n_wei_scale == 1 ? 0 : i];
        if (o->bias)
            o->bias[i] /= o->chain.unit;
    }
    PPQ_TRY(ppq_tensor_alloc(out, PPQ_DT_U8, &bytes));
    ppq_q8_conv_pack(k, scale, o->bias, ppq_tensor_data(out));
    return PPQ_OK;
}

static ppq_status add_step(ppq_operands *o, const char *name, ppq_q8_conv *k, ppq_layout layout,
                           double macs)
{
    ppq_plan *p = o->p;
    int32_t in[2] = { o->source, PPQ_NO_VALUE }, out;
    const ppq_want want = layout == PPQ_LAYOUT_PLAIN ? PPQ_WANT_PLAIN : PPQ_WANT_LAST;
    if (!o->has_source)
        PPQ_TRY(ppq_plan_read(p, ppq_operands_src(o), want, true, &in[0]));
    PPQ_TRY(ppq_chain_output(p, o->op, &o->chain, layout, &in[1], &out));
    ppq_step *s =
        ppq_plan_add_step(p, o->op, name, run, in, in[1] == PPQ_NO_VALUE ? 1 : 2, &out, 1);
    s->state = k;
    s->thread_scratch = ppq_q8_conv_scratch(k);
    s->int8 = true;
    s->macs = macs;
    PPQ_TRY(pack(o, k, &s->packed[0]));
    p->info.n_exact++;
    ppq_chain_done(p, o->op, &o->chain);
    return PPQ_OK;
}

static ppq_status emit(ppq_operands *o, const char *name, ppq_q8_conv_desc *d,
                       const ppq_tensor *weights, ppq_layout layout, double macs)
{
    const ppq_dnnl_quant q = ppq_operands_quant(o);
    ppq_q8_conv *k = ppq_new(o->p->arena, ppq_q8_conv);
    d->weights = ppq_tensor_data(weights);
    d->src_zero = q.src_zero;
    d->dst_scale = q.dst_scale;
    d->dst_zero = q.dst_zero;
    d->to_float = !o->chain.quantized;
    d->n_end = o->chain.n_post;
    for (int i = 0; i < d->n_end; i++)
        if (!end(&o->chain.post[i], &d->end[i]))
            return PPQ_ERR_UNSUPPORTED;
    if (o->has_target || !ppq_q8_conv_init(k, d, ppq_plan_isa(o->p)))
        return PPQ_ERR_UNSUPPORTED;
    return add_step(o, name, k, layout, macs);
}

ppq_status ppq_conv_emit_q8(ppq_operands *o, const ppq_conv_shape *shape,
                            const ppq_dnnl_window *window, const ppq_shape *src,
                            const ppq_tensor *weights, double macs)
{
    const ppq_shape *y = &o->p->shape[o->chain.out->id], *w = &weights->shape;
    ppq_q8_conv_desc d = {
        .batch = y->dim[0], .groups = shape->groups, .in = w->dim[1], .out = shape->oc, .wei_in = 1
    };
    if (shape->transposed || window->n > 2)
        return PPQ_ERR_UNSUPPORTED;
    for (int i = 2; i < w->rank; i++)
        d.wei_in *= w->dim[i];
    d.wei_out = d.wei_in * w->dim[1];
    d.win = ppq_window_2d_of(window, src, y);
    return emit(o, "conv exact", &d, weights, PPQ_LAYOUT_CHANNELS_LAST, macs);
}

ppq_status ppq_linear_emit_q8(ppq_operands *o, int64_t rows, int64_t in, int64_t out,
                              bool transposed, const ppq_tensor *weights)
{
    ppq_q8_conv_desc d = { .batch = 1,
                           .groups = 1,
                           .in = in,
                           .out = out,
                           .win = { .src_size = { rows, 1 },
                                    .dst_size = { rows, 1 },
                                    .kernel = { 1, 1 },
                                    .stride = { 1, 1 },
                                    .dilation = { 1, 1 } },
                           .wei_out = transposed ? in : 1,
                           .wei_in = transposed ? 1 : out };
    return emit(o, "linear exact", &d, weights, PPQ_LAYOUT_PLAIN,
                (double) rows * (double) in * (double) out);
}
