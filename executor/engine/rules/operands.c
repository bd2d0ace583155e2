#include "executor/engine/rules/operands.h"

static bool integers(ppq_operands *o, const ppq_var *x, const ppq_var *w, int out_axis,
                     int sum_axis)
{
    ppq_plan *p = o->p;
    if (!ppq_grid_of_var(x, &o->src) || !ppq_weights_of_var(p, w, &o->weights) ||
        (o->weights.n > 1 && o->weights.axis != out_axis))
        return false;
    o->saturates = !ppq_dnnl_exact_u8s8() && ppq_weights_saturate(o->weights.t, sum_axis);
    o->exact = o->saturates && !p->o.saturate;
    return !o->exact || o->has_exact;
}

ppq_status ppq_operands_init(ppq_operands *o, const ppq_var *x, const ppq_var *w, int out_axis,
                             int sum_axis)
{
    o->x = x;
    o->int8 = integers(o, x, w, out_axis, sum_axis);
    return o->int8 || ppq_const_real(o->p, w, &o->real) ? PPQ_OK : PPQ_ERR_UNSUPPORTED;
}

// The float tensor whose integers nobody but this op reads; NULL when they are there anyway.
static const ppq_var *quantized_for_us(const ppq_operands *o)
{
    const ppq_op *q = o->src.q->producer.op;
    if (!q || !ppq_op_is(q, "QuantizeLinear") || o->src.q->n_uses != 1 || o->src.q->is_output ||
        o->x->n_uses != 1 || o->x->is_output || o->p->first[o->src.q->id] != PPQ_NO_VALUE ||
        o->p->first[q->in[0]->id] == PPQ_NO_VALUE)
        return NULL;
    return q->in[0];
}

// Seconds per element and per multiplication of one core, as measured on server CPUs from AVX2 to
// AVX512-VNNI; only their proportions matter.
static bool pays(const ppq_operands *o, double macs)
{
    const double quantize = 0.2e-9, dequantize = 0.1e-9; // beyond clamping; part of the step
    const bool exact = ppq_dnnl_exact_u8s8();
    const double mac = exact ? 0.01e-9 : 0.025e-9;
    const double saved = mac * (exact ? 0.72 : o->exact ? 0.4 : 0.48);
    const ppq_plan *p = o->p;
    return macs * saved > quantize * (double) ppq_shape_numel(&p->shape[o->x->id]) +
                              dequantize * (double) ppq_shape_numel(&p->shape[o->chain.out->id]);
}

typedef struct range {
    float lo, hi;
} range;

static void clamp_part(const ppq_rows *x, int64_t begin, int64_t end)
{
    const range *r = x->state;
    const float *src = (const float *) (const void *) x->src;
    float *dst = (float *) (void *) x->dst;
    for (int64_t i = begin; i < end; i++) {
        const float v = src[i] < r->lo ? r->lo : src[i];
        dst[i] = v > r->hi ? r->hi : v;
    }
}

static ppq_status run_clamp(const ppq_step *s, ppq_call *c)
{
    return ppq_call_rows(c, s, ppq_shape_numel(&ppq_call_tensor(c, s->in[0])->shape), clamp_part);
}

static ppq_status clamp(ppq_operands *o, const ppq_var *x, ppq_want want)
{
    ppq_plan *p = o->p;
    int32_t in;
    PPQ_TRY(ppq_plan_read(p, x, want, true, &in));
    range *r = ppq_new(p->arena, range);
    r->lo = (float) -o->src.zero * o->src.scale;
    r->hi = (float) (255 - o->src.zero) * o->src.scale;
    o->source =
        ppq_plan_new_value(p, NULL, PPQ_DT_F32, &p->shape[x->id], ppq_plan_value(p, in)->layout);
    o->has_source = true;
    ppq_plan_add_step(p, o->op, "clamp", run_clamp, &in, 1, &o->source, 1)->state = r;
    return PPQ_OK;
}

ppq_status ppq_operands_weigh(ppq_operands *o, const ppq_var *w, ppq_want want, double macs)
{
    ppq_plan *p = o->p;
    if (!o->int8 || o->chain.quantized || p->o.eager)
        return PPQ_OK;
    const ppq_var *x = quantized_for_us(o);
    if (!x || pays(o, macs))
        return PPQ_OK;
    if (!ppq_const_real(p, w, &o->real))
        return PPQ_ERR_UNSUPPORTED;
    PPQ_TRY(clamp(o, x, want));
    if (!p->info.n_left_float++)
        p->info.left_float = o->op->name;
    o->int8 = false;
    o->x = x;
    return PPQ_OK;
}

void ppq_operands_fini(ppq_operands *o)
{
    ppq_tensor_unref(&o->real);
}

bool ppq_operands_add_bias(ppq_operands *o, const ppq_var *v)
{
    ppq_tensor t;
    if (!v)
        return true;
    if (!ppq_const_real(o->p, v, &t))
        return false;
    if (!o->bias)
        o->bias = ppq_new_n(o->p->arena, float, (size_t) o->channels);
    const int64_t n = ppq_shape_numel(&t.shape);
    for (int64_t i = 0; i < o->channels; i++)
        o->bias[i] += ppq_f32(&t)[n == 1 ? 0 : i];
    ppq_tensor_unref(&t);
    return true;
}

ppq_dnnl_quant ppq_operands_quant(const ppq_operands *o)
{
    const ppq_chain *c = &o->chain;
    return (ppq_dnnl_quant){ .src_scale = o->src.scale / c->unit,
                             .src_zero = o->src.zero,
                             .dst_scale = c->quantized ? c->grid.scale / c->unit : 1,
                             .dst_zero = c->quantized ? c->grid.zero : 0,
                             .wei_scale = o->weights.scale,
                             .n_wei_scale = o->weights.n };
}

ppq_dtype ppq_operands_src_type(const ppq_operands *o)
{
    return o->int8 ? PPQ_DT_U8 : PPQ_DT_F32;
}

ppq_dtype ppq_operands_dst_type(const ppq_operands *o)
{
    return o->chain.quantized ? PPQ_DT_U8 : PPQ_DT_F32;
}

const ppq_tensor *ppq_operands_weights(const ppq_operands *o)
{
    return o->int8 ? o->weights.t : &o->real;
}

const ppq_var *ppq_operands_src(const ppq_operands *o)
{
    return o->int8 ? o->src.q : o->x;
}

static ppq_status pack(ppq_operands *o, const ppq_dnnl_op *dnnl, const ppq_tensor *weights,
                       const ppq_dnnl_md *weights_md, ppq_step *s)
{
    PPQ_TRY(ppq_dnnl_pack(dnnl, PPQ_DNNL_WEIGHTS, weights_md, weights, &s->packed[0]));
    if (!o->bias)
        return PPQ_OK;
    const ppq_shape n = ppq_shape_1d(o->channels);
    const ppq_dnnl_quant q = ppq_operands_quant(o);
    PPQ_TRY(ppq_tensor_alloc(&s->packed[1], PPQ_DT_F32, &n));
    for (int64_t i = 0; i < o->channels; i++)
        o->bias[i] /= o->chain.unit;
    ppq_dnnl_bias(o->int8 ? &q : NULL, o->bias, o->channels, ppq_f32(&s->packed[1]));
    return PPQ_OK;
}

ppq_status ppq_operands_emit(ppq_operands *o, const char *kernel, ppq_dnnl_op *take_dnnl,
                             const ppq_tensor *weights, const ppq_dnnl_md *weights_md,
                             ppq_layout layout, double macs)
{
    ppq_plan *p = o->p;
    int32_t in[2], out;
    const ppq_want want =
        layout == PPQ_LAYOUT_PLAIN || o->plain_source ? PPQ_WANT_PLAIN : PPQ_WANT_LAST;
    in[0] = o->source;
    ppq_status st =
        o->has_source ? PPQ_OK : ppq_plan_read(p, ppq_operands_src(o), want, true, &in[0]);
    in[1] = PPQ_NO_VALUE;
    out = o->target;
    if (st == PPQ_OK && !o->has_target)
        st = ppq_chain_output(p, o->op, &o->chain, layout, &in[1], &out);
    if (st != PPQ_OK) {
        ppq_dnnl_op_destroy(take_dnnl);
        return st;
    }
    ppq_step *s =
        ppq_plan_add_dnnl(p, o->op, kernel, take_dnnl, in, in[1] == PPQ_NO_VALUE ? 1 : 2, &out, 1);
    s->int8 = o->int8;
    s->macs = macs;
    if (o->int8 && o->saturates && !p->info.n_saturating++)
        p->info.saturating = o->op->name;
    PPQ_TRY(pack(o, take_dnnl, weights, weights_md, s));
    ppq_step_bind(s, PPQ_DNNL_SRC, in[0]);
    ppq_step_bind_const(s, PPQ_DNNL_WEIGHTS, &s->packed[0]);
    if (o->bias)
        ppq_step_bind_const(s, PPQ_DNNL_BIAS, &s->packed[1]);
    ppq_step_bind(s, PPQ_DNNL_DST, out);
    ppq_chain_done(p, o->op, &o->chain);
    return PPQ_OK;
}
