#include "executor/engine/kernels/direct_conv.h"

#include "executor/engine/rules/conv_common.h"

// Float convolutions by our own kernel, where oneDNN's is slow.

static void run_units(const ppq_rows *x, int64_t begin, int64_t end)
{
    ppq_direct_conv_run(x->state, (const float *) (const void *) x->src, (float *) (void *) x->dst,
                        begin, end);
}

static ppq_status run(const ppq_step *s, ppq_call *c)
{
    return ppq_call_rows(c, s, ppq_direct_conv_units(s->state), run_units);
}

// oneDNN's AVX2 kernel walks the input channels in blocks and an image that does not fit the
// second-level cache once per block. Below these sizes it is as fast as ours; on AVX-512 it is
// left alone.
static bool pays(const ppq_plan *p, const ppq_direct_conv_desc *c)
{
    enum { DEEP = 40, IMAGE = 1 << 20 };
    const int64_t skipped = PPQ_MIN(c->stride[0] * c->stride[1], 2);
    const int64_t bytes = c->src_size[0] * c->src_size[1] * c->in * (int64_t) sizeof(float);
    return !p->o.library && ppq_plan_isa(p) == PPQ_ISA_AVX2 && c->groups == 1 && c->in >= DEEP &&
           c->kernel[0] * c->kernel[1] > 1 && bytes * skipped > IMAGE;
}

static bool ends(const ppq_chain *chain, ppq_direct_conv_desc *c)
{
    if (chain->n_post > PPQ_DIRECT_CONV_ENDS || chain->unit != 1)
        return false;
    c->n_end = chain->n_post;
    for (int i = 0; i < chain->n_post; i++) {
        const ppq_dnnl_post *t = &chain->post[i];
        ppq_conv_end *e = &c->end[i];
        if (t->kind == PPQ_DNNL_POST_SUM && t->scale == 1 && t->zero == 0)
            *e = (ppq_conv_end){ .kind = PPQ_CONV_END_ADD };
        else if (t->kind == PPQ_DNNL_POST_ELTWISE && t->alg == PPQ_DNNL_RELU)
            *e = (ppq_conv_end){ .kind = PPQ_CONV_END_RELU, .a = t->alpha };
        else if (t->kind == PPQ_DNNL_POST_ELTWISE && t->alg == PPQ_DNNL_CLIP)
            *e = (ppq_conv_end){ .kind = PPQ_CONV_END_CLIP, .a = t->alpha, .b = t->beta };
        else
            return false;
    }
    return true;
}

static bool describe(const ppq_operands *o, const ppq_conv_shape *shape, ppq_direct_conv_desc *c)
{
    if (o->int8 || o->chain.quantized || o->has_target || shape->transposed || shape->win.n > 2)
        return false;
    const ppq_window w = ppq_window_as_image(&shape->win);
    *c = (ppq_direct_conv_desc){
        .batch = shape->batch, .groups = shape->groups, .in = shape->ic, .out = shape->oc
    };
    for (int i = 0; i < 2; i++) {
        c->src_size[i] = w.in[i];
        c->dst_size[i] = w.out[i];
        c->kernel[i] = w.kernel[i];
        c->stride[i] = w.stride[i];
        c->dilation[i] = w.dilation[i];
        c->pad_lo[i] = w.pad_lo[i];
    }
    return c->kernel[0] <= PPQ_DIRECT_CONV_TAPS && c->kernel[1] <= PPQ_DIRECT_CONV_TAPS &&
           c->kernel[0] * c->kernel[1] <= PPQ_DIRECT_CONV_TAPS && ends(&o->chain, c);
}

static ppq_status pack(const ppq_operands *o, ppq_direct_conv *k, ppq_tensor *out)
{
    const ppq_shape n = ppq_shape_1d(ppq_direct_conv_floats(k));
    PPQ_TRY(ppq_tensor_alloc(out, PPQ_DT_F32, &n));
    return ppq_direct_conv_pack(k, ppq_f32(ppq_operands_weights(o)), o->bias, ppq_f32(out))
               ? PPQ_OK
               : PPQ_ERR_UNSUPPORTED;
}

static ppq_status add_step(ppq_operands *o, ppq_direct_conv *k, ppq_tensor *take_packed)
{
    ppq_plan *p = o->p;
    int32_t in[2] = { o->source, PPQ_NO_VALUE }, out;
    if (!o->has_source)
        PPQ_TRY(ppq_plan_read(p, o->x, PPQ_WANT_LAST, true, &in[0]));
    PPQ_TRY(ppq_chain_output(p, o->op, &o->chain, PPQ_LAYOUT_CHANNELS_LAST, &in[1], &out));
    ppq_step *s =
        ppq_plan_add_step(p, o->op, "conv direct", run, in, in[1] == PPQ_NO_VALUE ? 1 : 2, &out, 1);
    s->state = k;
    s->packed[0] = *take_packed;
    *take_packed = (ppq_tensor){ 0 };
    s->macs = (double) ppq_shape_numel(&o->real.shape) * (double) k->n_pixels;
    ppq_chain_done(p, o->op, &o->chain);
    return PPQ_OK;
}

ppq_status ppq_conv_emit_direct(ppq_operands *o, const ppq_conv_shape *shape)
{
    ppq_direct_conv_desc c;
    if (!describe(o, shape, &c) || !pays(o->p, &c))
        return PPQ_ERR_UNSUPPORTED;
    ppq_direct_conv *k = ppq_new(o->p->arena, ppq_direct_conv);
    ppq_tensor packed = { 0 };
    ppq_direct_conv_init(k, &c, ppq_plan_isa(o->p));
    ppq_status st = pack(o, k, &packed);
    if (st == PPQ_OK)
        st = add_step(o, k, &packed);
    ppq_tensor_unref(&packed);
    return st;
}
