#include <stdlib.h>
#include <string.h>

#include "executor/dnnl/run.h"
#include "executor/engine/chain.h"
#include "executor/engine/step.h"
#include "executor/ops/conv_shape.h"

// Conv and ConvTranspose with what follows them, channels-last, in float or on integers.

typedef struct job {
    ppq_plan *p;
    const ppq_op *op;
    ppq_conv_shape shape;
    ppq_chain chain;
    bool int8, transposed;
    ppq_grid src;        // when int8
    ppq_weights weights; // when int8
    ppq_tensor real;     // weights when float
    float *bias;         // [channels] in real units; NULL: none
    int64_t channels;
} job;

// [out / transposed: in, ...] as [groups,] out, in, spatial.
static ppq_dnnl_md weights_md(const job *j, ppq_dtype dt, const ppq_shape *w)
{
    const ppq_dnnl_md from = ppq_dnnl_md_of(dt, w, PPQ_LAYOUT_PLAIN);
    const bool split = j->shape.groups > 1, transposed = j->transposed;
    const int whole = split + transposed, part = split + !transposed;
    ppq_dnnl_md md = from;
    md.rank += split;
    for (int i = from.rank - 1; i >= 2; i--) {
        md.dim[i + split] = from.dim[i];
        md.stride[i + split] = from.stride[i];
    }
    md.dim[whole] = from.dim[0] / j->shape.groups;
    md.stride[whole] = from.stride[0];
    md.dim[part] = from.dim[1];
    md.stride[part] = from.stride[1];
    if (split) {
        md.dim[0] = j->shape.groups;
        md.stride[0] = from.stride[0] * md.dim[whole];
    }
    return md;
}

// The op's own bias and the one that the chain took in.
static bool add_bias(job *j, const ppq_var *v)
{
    ppq_tensor t;
    if (!v)
        return true;
    if (!ppq_const_real(j->p, v, &t))
        return false;
    if (!j->bias)
        j->bias = ppq_new_n(j->p->arena, float, (size_t) j->channels);
    const int64_t n = ppq_shape_numel(&t.shape);
    for (int64_t i = 0; i < j->channels; i++)
        j->bias[i] += ppq_f32(&t)[n == 1 ? 0 : i];
    ppq_tensor_unref(&t);
    return true;
}

static bool integer_operands(job *j)
{
    ppq_plan *p = j->p;
    const ppq_op *op = j->op;
    if (!ppq_grid_of_var(op->in[0], &j->src) || !ppq_weights_of_var(p, op->in[1], &j->weights))
        return false;
    // ConvTranspose's output channels are spread over groups: one scale each only without those.
    const int axis = j->transposed ? 1 : 0;
    if (j->weights.n > 1 && (j->weights.axis != axis || (j->transposed && j->shape.groups > 1)))
        return false;
    if (ppq_dnnl_exact_u8s8() || !ppq_weights_saturate(j->weights.t, j->transposed ? 0 : 1))
        return true;
    if (p->o.exact)
        return false;
    if (!p->info.n_saturating++)
        p->info.saturating = op->name;
    return true;
}

static ppq_status describe(job *j)
{
    ppq_plan *p = j->p;
    const ppq_op *op = j->op;
    ppq_reason why;
    const ppq_var *b = op->n_in > 2 ? op->in[2] : NULL;
    j->transposed = ppq_op_is(op, "ConvTranspose");
    const ppq_shape *x = &p->shape[op->in[0]->id], *w = &p->shape[op->in[1]->id];
    if (!ppq_conv_shape_init(&j->shape, op, j->transposed, x, w, b ? &p->shape[b->id] : NULL,
                             &why) ||
        x->rank < 3 || x->rank > 5 || ppq_shape_numel(x) == 0 ||
        ppq_shape_numel(&p->shape[op->out[0]->id]) == 0 || p->dtype[op->in[0]->id] != PPQ_DT_F32)
        return PPQ_ERR_UNSUPPORTED;
    j->channels = p->shape[op->out[0]->id].dim[1];
    j->int8 = integer_operands(j);
    if (!j->int8 && !ppq_const_real(p, op->in[1], &j->real))
        return PPQ_ERR_UNSUPPORTED;
    const ppq_chain_opts o = { .channel_axis = 1, .can_sum = true };
    ppq_chain_follow(p, op, &o, &j->chain);
    return add_bias(j, b) && add_bias(j, j->chain.bias) ? PPQ_OK : PPQ_ERR_UNSUPPORTED;
}

static ppq_status make_dnnl(job *j, const ppq_dnnl_md *weights, ppq_dnnl_op **out)
{
    const ppq_plan *p = j->p;
    const ppq_layout last = PPQ_LAYOUT_CHANNELS_LAST;
    const ppq_shape *y = &p->shape[j->chain.out->id], bias = ppq_shape_1d(j->channels);
    const float unit = j->chain.unit;
    const ppq_dnnl_quant q = { .src_scale = j->src.scale / unit,
                               .src_zero = j->src.zero,
                               .dst_scale = j->chain.quantized ? j->chain.grid.scale / unit : 1,
                               .dst_zero = j->chain.quantized ? j->chain.grid.zero : 0,
                               .wei_scale = j->weights.scale,
                               .n_wei_scale = j->weights.n };
    ppq_dnnl_operands m = {
        .src = ppq_dnnl_md_of(j->int8 ? PPQ_DT_U8 : PPQ_DT_F32, &p->shape[j->op->in[0]->id], last),
        .weights = ppq_dnnl_md_any(weights),
        .dst = ppq_dnnl_md_of(j->chain.quantized ? PPQ_DT_U8 : PPQ_DT_F32, y, last),
    };
    if (j->bias)
        m.bias = ppq_dnnl_md_of(PPQ_DT_F32, &bias, PPQ_LAYOUT_PLAIN);
    const ppq_dnnl_attr attr = { j->int8 ? &q : NULL, j->chain.post, j->chain.n_post };
    const ppq_dnnl_window w = ppq_dnnl_window_of(&j->shape.win, j->transposed);
    PPQ_TRY(ppq_dnnl_conv(&m, &w, j->shape.groups > 1, j->transposed, &attr, out));
    return PPQ_OK;
}

static ppq_status pack(job *j, const ppq_dnnl_op *dnnl, const ppq_dnnl_md *weights, ppq_step *s)
{
    const ppq_tensor *w = j->int8 ? j->weights.t : &j->real;
    PPQ_TRY(ppq_dnnl_pack(dnnl, PPQ_DNNL_WEIGHTS, weights, w, &s->packed[0]));
    if (!j->bias)
        return PPQ_OK;
    const ppq_shape n = ppq_shape_1d(j->channels);
    for (int64_t i = 0; i < j->channels; i++)
        j->bias[i] /= j->chain.unit;
    const ppq_dnnl_quant q = { .src_scale = j->src.scale / j->chain.unit,
                               .wei_scale = j->weights.scale,
                               .n_wei_scale = j->weights.n };
    PPQ_TRY(ppq_tensor_alloc(&s->packed[1], PPQ_DT_F32, &n));
    ppq_dnnl_bias(j->int8 ? &q : NULL, j->bias, j->channels, ppq_f32(&s->packed[1]));
    return PPQ_OK;
}

static double macs(const job *j)
{
    double n = (double) ppq_shape_numel(&j->p->shape[j->op->in[1]->id]);
    const ppq_window *w = &j->shape.win;
    for (int i = 0; i < w->n; i++)
        n *= (double) (j->transposed ? w->in[i] : w->out[i]);
    return n * (double) j->shape.batch;
}

static ppq_status emit(job *j, ppq_dnnl_op *take_dnnl, const ppq_dnnl_md *weights)
{
    ppq_plan *p = j->p;
    int32_t in[2], out;
    const ppq_var *x = j->int8 ? j->src.q : j->op->in[0];
    ppq_status st = ppq_plan_read(p, x, PPQ_WANT_LAST, true, &in[0]);
    if (st == PPQ_OK)
        st = ppq_chain_output(p, j->op, &j->chain, PPQ_LAYOUT_CHANNELS_LAST, &in[1], &out);
    if (st != PPQ_OK) {
        ppq_dnnl_op_destroy(take_dnnl);
        return st;
    }
    ppq_step *s = ppq_plan_add_dnnl(p, j->op, j->transposed ? "conv-transpose" : "conv", take_dnnl,
                                    in, in[1] == PPQ_NO_VALUE ? 1 : 2, &out, 1);
    s->int8 = j->int8;
    s->macs = macs(j);
    PPQ_TRY(pack(j, take_dnnl, weights, s));
    ppq_step_bind(s, PPQ_DNNL_SRC, in[0]);
    ppq_step_bind_const(s, PPQ_DNNL_WEIGHTS, &s->packed[0]);
    if (j->bias)
        ppq_step_bind_const(s, PPQ_DNNL_BIAS, &s->packed[1]);
    ppq_step_bind(s, PPQ_DNNL_DST, out);
    ppq_chain_done(p, j->op, &j->chain);
    return PPQ_OK;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    job j = { .p = p, .op = op };
    ppq_status st = describe(&j);
    if (st == PPQ_OK) {
        const ppq_tensor *w = j.int8 ? j.weights.t : &j.real;
        const ppq_dnnl_md weights = weights_md(&j, w->dtype, &w->shape);
        ppq_dnnl_op *dnnl;
        st = make_dnnl(&j, &weights, &dnnl);
        if (st == PPQ_OK)
            st = emit(&j, dnnl, &weights);
    }
    ppq_tensor_unref(&j.real);
    return st;
}

static const char *const types[] = { "Conv", "ConvTranspose", NULL };

const ppq_rule ppq_rule_conv = {
    .name = "conv",
    .summary = "Conv and ConvTranspose with bias, activations, residual addition, requantization",
    .types = types,
    .lower = lower,
};
