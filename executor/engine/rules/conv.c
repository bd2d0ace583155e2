#include "executor/dnnl/run.h"
#include "executor/engine/rules/conv_common.h"

// Conv and ConvTranspose with what follows them, channels-last, in float or on integers.

// [out / transposed: in, ...] as [groups,] out, in, spatial.
static ppq_dnnl_md weights_md(const ppq_conv_shape *shape, const ppq_tensor *w)
{
    const ppq_dnnl_md from = ppq_dnnl_md_of(w->dtype, &w->shape, PPQ_LAYOUT_PLAIN);
    const bool split = shape->groups > 1;
    const int whole = split + shape->transposed, part = split + !shape->transposed;
    ppq_dnnl_md md = from;
    md.rank += split;
    for (int i = from.rank - 1; i >= 2; i--) {
        md.dim[i + split] = from.dim[i];
        md.stride[i + split] = from.stride[i];
    }
    md.dim[whole] = from.dim[0] / shape->groups;
    md.stride[whole] = from.stride[0];
    md.dim[part] = from.dim[1];
    md.stride[part] = from.stride[1];
    if (split) {
        md.dim[0] = shape->groups;
        md.stride[0] = from.stride[0] * md.dim[whole];
    }
    return md;
}

static double macs(const ppq_operands *o, const ppq_conv_shape *shape)
{
    double n = (double) ppq_shape_numel(&o->p->shape[o->op->in[1]->id]);
    const ppq_window *w = &shape->win;
    for (int i = 0; i < w->n; i++)
        n *= (double) (shape->transposed ? w->in[i] : w->out[i]);
    return n * (double) shape->batch;
}

ppq_status ppq_conv_describe(ppq_operands *o, ppq_conv_shape *shape, ppq_chain_cut cut, bool weigh)
{
    const ppq_plan *p = o->p;
    const ppq_op *op = o->op;
    ppq_reason why;
    const bool transposed = ppq_op_is(op, "ConvTranspose");
    const ppq_var *b = op->n_in > 2 ? op->in[2] : NULL;
    const ppq_shape *x = &p->shape[op->in[0]->id], *w = &p->shape[op->in[1]->id];
    const ppq_shape *y = &p->shape[op->out[0]->id];
    if (!ppq_conv_shape_init(shape, op, transposed, x, w, b ? &p->shape[b->id] : NULL, &why) ||
        x->rank < 3 || x->rank > 5 || ppq_shape_numel(x) == 0 || ppq_shape_numel(y) == 0 ||
        p->dtype[op->in[0]->id] != PPQ_DT_F32)
        return PPQ_ERR_UNSUPPORTED;
    o->channels = y->dim[1];
    // The channels of a transposed convolution with groups lie along two dimensions of its weights.
    const int out_axis = !transposed ? 0 : shape->groups > 1 ? -1 : 1;
    PPQ_TRY(ppq_operands_init(o, op->in[0], op->in[1], out_axis, transposed ? 0 : 1));
    const ppq_chain_opts c = { .channel_axis = 1, .integers = o->int8, .cut = cut };
    ppq_chain_follow(p, op, &c, &o->chain);
    if (weigh)
        PPQ_TRY(ppq_operands_weigh(o, op->in[1], macs(o, shape)));
    return ppq_operands_add_bias(o, b) && ppq_operands_add_bias(o, o->chain.bias)
               ? PPQ_OK
               : PPQ_ERR_UNSUPPORTED;
}

ppq_status ppq_conv_emit(ppq_operands *o, const ppq_conv_shape *shape,
                         const ppq_dnnl_window *window, const ppq_shape *src,
                         const ppq_tensor *weights)
{
    const ppq_layout last = PPQ_LAYOUT_CHANNELS_LAST;
    const ppq_shape *y =
        o->has_target ? &ppq_plan_value(o->p, o->target)->shape : &o->p->shape[o->chain.out->id];
    const ppq_shape bias = ppq_shape_1d(o->channels);
    const ppq_dnnl_quant q = ppq_operands_quant(o);
    const ppq_dnnl_md w = weights_md(shape, weights);
    ppq_dnnl_operands m = { .src = ppq_dnnl_md_of(ppq_operands_src_type(o), src, last),
                            .weights = ppq_dnnl_md_any(&w),
                            .dst = ppq_dnnl_md_of(ppq_operands_dst_type(o), y, last) };
    if (o->bias)
        m.bias = ppq_dnnl_md_of(PPQ_DT_F32, &bias, PPQ_LAYOUT_PLAIN);
    const ppq_dnnl_attr attr = { o->int8 ? &q : NULL, o->chain.post, o->chain.n_post };
    ppq_dnnl_op *dnnl;
    PPQ_TRY(ppq_dnnl_conv(&m, window, shape->groups > 1, shape->transposed, &attr, &dnnl));
    return ppq_operands_emit(o, shape->transposed ? "conv-transpose" : "conv", dnnl, weights, &w,
                             last, macs(o, shape));
}

static ppq_status try_cut(ppq_plan *p, const ppq_op *op, ppq_chain_cut cut)
{
    ppq_operands o = { .p = p, .op = op };
    ppq_conv_shape shape;
    ppq_status st = ppq_conv_describe(&o, &shape, cut, true);
    if (st == PPQ_OK) {
        const ppq_dnnl_window w = ppq_dnnl_window_of(&shape.win, shape.transposed);
        st = ppq_conv_emit(&o, &shape, &w, &p->shape[op->in[0]->id], ppq_operands_weights(&o));
    }
    ppq_operands_fini(&o);
    return st;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    ppq_status st = PPQ_ERR_UNSUPPORTED;
    for (int cut = 0; cut < PPQ_CHAIN_CUTS && st == PPQ_ERR_UNSUPPORTED; cut++)
        st = try_cut(p, op, (ppq_chain_cut) cut);
    return st;
}

static const char *const types[] = { "Conv", "ConvTranspose", NULL };

const ppq_rule ppq_rule_conv = {
    .name = "conv",
    .summary = "Conv and ConvTranspose with bias, activations, residual addition, requantization",
    .types = types,
    .lower = lower,
};
