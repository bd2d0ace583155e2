#include "executor/dnnl/run.h"
#include "executor/engine/kernels/direct_conv.h"
#include "executor/engine/kernels/winograd.h"
#include "executor/engine/rules/conv_common.h"
#include "executor/engine/rules/window_2d.h"

// Float convolutions by our own kernels: directly where oneDNN is slow, and by Winograd's algorithm
// where that was asked for. Rules were measured with AVX2; with AVX-512 oneDNN does all.

// ---- the convolution ------------------------------------------------------------------------

static bool ends(const ppq_chain *chain, ppq_float_conv *c)
{
    if (chain->n_post > PPQ_CONV_ENDS || chain->unit != 1)
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

static bool describe(const ppq_operands *o, const ppq_conv_shape *shape, ppq_float_conv *c)
{
    if (o->int8 || o->chain.quantized || o->has_target || shape->transposed || shape->win.n > 2)
        return false;
    const ppq_plan *p = o->p;
    const ppq_dnnl_window w = ppq_dnnl_window_of(&shape->win, false);
    *c = (ppq_float_conv){ .batch = shape->batch,
                           .groups = shape->groups,
                           .in = shape->ic,
                           .out = shape->oc,
                           .win = ppq_window_2d_of(&w, &p->shape[o->op->in[0]->id],
                                                   &p->shape[o->op->out[0]->id]) };
    return ends(&o->chain, c);
}

// A kernel with its weights packed, to become a step.
typedef struct own {
    const char *name;
    ppq_status (*run)(const ppq_step *s, ppq_call *c);
    void *state;
    size_t thread_scratch;
    ppq_tensor packed;
} own;

static ppq_status add_step(ppq_operands *o, const ppq_conv_shape *shape, own *k)
{
    ppq_plan *p = o->p;
    int32_t in[2] = { o->source, PPQ_NO_VALUE }, out;
    if (!o->has_source)
        PPQ_TRY(ppq_plan_read(p, o->x, PPQ_WANT_LAST, true, &in[0]));
    PPQ_TRY(ppq_chain_output(p, o->op, &o->chain, PPQ_LAYOUT_CHANNELS_LAST, &in[1], &out));
    ppq_step *s =
        ppq_plan_add_step(p, o->op, k->name, k->run, in, in[1] == PPQ_NO_VALUE ? 1 : 2, &out, 1);
    s->state = k->state;
    s->thread_scratch = k->thread_scratch;
    s->packed[0] = k->packed;
    k->packed = (ppq_tensor){ 0 };
    const ppq_shape *y = &p->shape[o->chain.out->id];
    s->macs = (double) ppq_shape_numel(&o->real.shape) *
              (double) (ppq_shape_numel(y) / (shape->oc * shape->groups));
    ppq_chain_done(p, o->op, &o->chain);
    return PPQ_OK;
}

// ---- directly -------------------------------------------------------------------------------

static void direct_units(const ppq_rows *x, int64_t begin, int64_t end)
{
    ppq_direct_conv_run(x->state, (const float *) (const void *) x->src, (float *) (void *) x->dst,
                        begin, end);
}

static ppq_status run_direct(const ppq_step *s, ppq_call *c)
{
    return ppq_call_rows(c, s, ppq_direct_conv_units(s->state), direct_units);
}

// oneDNN's AVX2 kernel walks the input channels in blocks, and an image that does not fit the
// second-level cache once per block. Below these sizes it is as fast as ours.
static bool direct_pays(const ppq_float_conv *c)
{
    enum { DEEP = 40, IMAGE = 7 << 17 };
    const int64_t skipped = PPQ_MIN(c->win.stride[0] * c->win.stride[1], 2);
    const int64_t bytes = ppq_window_2d_src_pixels(&c->win) * c->in * (int64_t) sizeof(float);
    const int64_t taps = ppq_window_2d_taps(&c->win);
    return c->groups == 1 && c->in >= DEEP && taps > 1 && taps <= PPQ_DIRECT_CONV_TAPS &&
           bytes * skipped > IMAGE;
}

static ppq_status make_direct(const ppq_operands *o, const ppq_float_conv *c, own *out)
{
    ppq_direct_conv *k = ppq_new(o->p->arena, ppq_direct_conv);
    ppq_direct_conv_init(k, c, ppq_plan_isa(o->p));
    const ppq_shape floats = ppq_shape_1d(ppq_direct_conv_floats(k));
    *out = (own){ .name = "conv direct", .run = run_direct, .state = k };
    PPQ_TRY(ppq_tensor_alloc(&out->packed, PPQ_DT_F32, &floats));
    const float *w = ppq_f32(ppq_operands_weights(o));
    return ppq_direct_conv_pack(k, w, o->bias, ppq_f32(&out->packed)) ? PPQ_OK
                                                                      : PPQ_ERR_UNSUPPORTED;
}

// ---- by Winograd's algorithm ----------------------------------------------------------------

static void winograd_units(const ppq_rows *x, int64_t begin, int64_t end)
{
    ppq_winograd_run(x->state, (const float *) (const void *) x->src, (float *) (void *) x->dst,
                     begin, end, x->scratch);
}

static ppq_status run_winograd(const ppq_step *s, ppq_call *c)
{
    return ppq_call_rows(c, s, ppq_winograd_units(s->state), winograd_units);
}

// Transforms and transformed weights need enough channels and tiles to be worth it.
static bool winograd_pays(const ppq_float_conv *c)
{
    enum { CHANNELS = 16, PIXELS = 12 * 16 };
    return ppq_winograd_can(c) && c->in >= CHANNELS && c->out >= CHANNELS &&
           c->batch * ppq_window_2d_dst_pixels(&c->win) >= PIXELS && c->win.dst_size[0] >= 4 &&
           c->win.dst_size[1] >= 4;
}

static ppq_status make_winograd(const ppq_operands *o, const ppq_float_conv *c, own *out)
{
    ppq_winograd *k = ppq_new(o->p->arena, ppq_winograd);
    ppq_winograd_init(k, c, ppq_plan_isa(o->p), o->p->o.n_threads);
    const ppq_shape floats = ppq_shape_1d(ppq_winograd_floats(k));
    *out = (own){ .name = "conv winograd",
                  .run = run_winograd,
                  .state = k,
                  .thread_scratch = ppq_winograd_scratch(k) };
    PPQ_TRY(ppq_tensor_alloc(&out->packed, PPQ_DT_F32, &floats));
    const float *w = ppq_f32(ppq_operands_weights(o));
    return ppq_winograd_pack(k, w, o->bias, ppq_f32(&out->packed)) ? PPQ_OK : PPQ_ERR_UNSUPPORTED;
}

// ---- the choice -----------------------------------------------------------------------------

ppq_status ppq_conv_emit_own(ppq_operands *o, const ppq_conv_shape *shape)
{
    ppq_float_conv c;
    own k = { 0 };
    if (ppq_plan_isa(o->p) != PPQ_ISA_AVX2 || o->p->o.onednn_only || !describe(o, shape, &c))
        return PPQ_ERR_UNSUPPORTED;
    ppq_status st = PPQ_ERR_UNSUPPORTED;
    if (o->p->o.winograd && winograd_pays(&c))
        st = make_winograd(o, &c, &k);
    else if (direct_pays(&c))
        st = make_direct(o, &c, &k);
    if (st == PPQ_OK)
        st = add_step(o, shape, &k);
    ppq_tensor_unref(&k.packed);
    return st;
}
