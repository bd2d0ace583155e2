#include <string.h>

#include "executor/dnnl/run.h"
#include "executor/engine/rules/conv_common.h"

// Conv and ConvTranspose with what follows them, channels-last, in float or on integers, by oneDNN
// unless a kernel of our own wins.

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
    // oneDNN 2.6's integer deconvolutions compute wrong numbers where windows leave gaps.
    for (int i = 0; transposed && i < shape->win.n; i++)
        if (shape->win.kernel[i] < shape->win.stride[i])
            return PPQ_ERR_UNSUPPORTED;
    o->channels = y->dim[1];
    o->has_exact = !transposed && shape->win.n <= 2;
    // The channels of a transposed convolution with groups lie along two dimensions of its weights.
    const int out_axis = !transposed ? 0 : shape->groups > 1 ? -1 : 1;
    PPQ_TRY(ppq_operands_init(o, op->in[0], op->in[1], out_axis, transposed ? 0 : 1));
    const ppq_chain_opts c = { .channel_axis = 1, .integers = o->int8, .cut = cut };
    ppq_chain_follow(p, op, &c, &o->chain);
    if (weigh)
        PPQ_TRY(ppq_operands_weigh(o, op->in[1], PPQ_WANT_LAST, macs(o, shape)));
    return ppq_operands_add_bias(o, b) && ppq_operands_add_bias(o, o->chain.bias)
               ? PPQ_OK
               : PPQ_ERR_UNSUPPORTED;
}

static ppq_status make(const ppq_operands *o, const ppq_conv_shape *shape,
                       const ppq_dnnl_window *window, const ppq_shape *src, ppq_layout src_layout,
                       const ppq_dnnl_md *weights, ppq_dnnl_op **out)
{
    const ppq_shape *y =
        o->has_target ? &ppq_plan_value(o->p, o->target)->shape : &o->p->shape[o->chain.out->id];
    const ppq_shape bias = ppq_shape_1d(o->channels);
    const ppq_dnnl_quant q = ppq_operands_quant(o);
    ppq_dnnl_operands m = {
        .src = ppq_dnnl_md_of(ppq_operands_src_type(o), src, src_layout),
        .weights = ppq_dnnl_md_any(weights),
        .dst = ppq_dnnl_md_of(ppq_operands_dst_type(o), y, PPQ_LAYOUT_CHANNELS_LAST),
    };
    if (o->bias)
        m.bias = ppq_dnnl_md_of(PPQ_DT_F32, &bias, PPQ_LAYOUT_PLAIN);
    const ppq_dnnl_attr attr = { o->int8 ? &q : NULL, o->chain.post, o->chain.n_post };
    return ppq_dnnl_conv(&m, window, shape->groups > 1, shape->transposed, &attr, out);
}

static bool is_general(const ppq_dnnl_op *op)
{
    return strstr(ppq_dnnl_impl(op), "gemm") != NULL;
}

// A float image of few planes: the library has direct implementations that read it plain.
static void try_plain(ppq_operands *o, const ppq_conv_shape *shape, const ppq_dnnl_window *window,
                      const ppq_shape *src, const ppq_dnnl_md *weights, ppq_dnnl_op **op)
{
    ppq_dnnl_op *plain;
    if (o->int8 || o->has_source || shape->groups > 1 || shape->transposed || shape->ic > 4 ||
        !is_general(*op) || ppq_plan_layout(o->p, o->x) != PPQ_LAYOUT_PLAIN ||
        make(o, shape, window, src, PPQ_LAYOUT_PLAIN, weights, &plain) != PPQ_OK)
        return;
    o->plain_source = !is_general(plain);
    ppq_dnnl_op_destroy(o->plain_source ? *op : plain);
    *op = o->plain_source ? plain : *op;
}

// ---- padding beforehand ---------------------------------------------------------------------

// An image with a border of zeros, channels-last, for implementations that know small paddings
// only.
typedef struct border {
    int64_t rows, top, bottom; // of one image
    size_t left, row, right;   // bytes
} border;

// Row r of the result, counted through all images.
static void pad_rows(const ppq_rows *x, int64_t begin, int64_t end)
{
    const border *b = x->state;
    const int64_t height = b->top + b->rows + b->bottom;
    const size_t width = b->left + b->row + b->right;
    for (int64_t r = begin; r < end; r++) {
        unsigned char *dst = x->dst + (size_t) r * width;
        const int64_t y = r % height - b->top;
        const bool inside = y >= 0 && y < b->rows;
        memset(dst, 0, inside ? b->left : width);
        if (!inside)
            continue;
        memcpy(dst + b->left, x->src + (size_t) (r / height * b->rows + y) * b->row, b->row);
        memset(dst + b->left + b->row, 0, b->right);
    }
}

static ppq_status run_pad(const ppq_step *s, ppq_call *c)
{
    const ppq_shape *y = &ppq_call_tensor(c, s->out[0])->shape;
    return ppq_call_rows(c, s, y->dim[0] * y->dim[2], pad_rows);
}

static bool can_pad(const ppq_operands *o, const ppq_conv_shape *shape, const ppq_dnnl_window *w)
{
    bool any = false;
    for (int i = 0; i < w->n; i++)
        any |= w->pad_lo[i] > 0 || w->pad_hi[i] > 0;
    return any && !o->int8 && !o->has_source && !shape->transposed && w->n == 2;
}

static ppq_shape padded(const ppq_shape *src, const ppq_dnnl_window *w, ppq_dnnl_window *bare)
{
    ppq_shape s = *src;
    *bare = *w;
    for (int i = 0; i < w->n; i++) {
        s.dim[i + 2] += w->pad_lo[i] + PPQ_MAX(w->pad_hi[i], 0);
        bare->pad_lo[i] = 0;
        bare->pad_hi[i] = PPQ_MIN(w->pad_hi[i], 0);
    }
    return s;
}

static ppq_status add_border(ppq_operands *o, const ppq_dnnl_window *w, const ppq_shape *src,
                             const ppq_shape *to)
{
    ppq_plan *p = o->p;
    int32_t in;
    PPQ_TRY(ppq_plan_read(p, o->x, PPQ_WANT_LAST, true, &in));
    const size_t pixel = (size_t) src->dim[1] * sizeof(float);
    border *b = ppq_new(p->arena, border);
    *b = (border){ .rows = src->dim[2],
                   .top = w->pad_lo[0],
                   .bottom = PPQ_MAX(w->pad_hi[0], 0),
                   .left = (size_t) w->pad_lo[1] * pixel,
                   .row = (size_t) src->dim[3] * pixel,
                   .right = (size_t) PPQ_MAX(w->pad_hi[1], 0) * pixel };
    o->source = ppq_plan_new_value(p, NULL, PPQ_DT_F32, to, PPQ_LAYOUT_CHANNELS_LAST);
    o->has_source = true;
    ppq_plan_add_step(p, o->op, "pad", run_pad, &in, 1, &o->source, 1)->state = b;
    return PPQ_OK;
}

// Replaces *op by one over a padded image where only that is direct. *was_padded: then the border
// is still to be added.
static void try_padded(const ppq_operands *o, const ppq_conv_shape *shape,
                       const ppq_dnnl_window *window, const ppq_shape *src,
                       const ppq_dnnl_md *weights, ppq_dnnl_op **op, bool *was_padded)
{
    ppq_dnnl_window bare;
    ppq_dnnl_op *other;
    *was_padded = false;
    if (!is_general(*op) || !can_pad(o, shape, window))
        return;
    const ppq_shape to = padded(src, window, &bare);
    if (make(o, shape, &bare, &to, PPQ_LAYOUT_CHANNELS_LAST, weights, &other) != PPQ_OK)
        return;
    *was_padded = !is_general(other);
    ppq_dnnl_op_destroy(*was_padded ? *op : other);
    *op = *was_padded ? other : *op;
}

// ---- the op ---------------------------------------------------------------------------------

bool ppq_conv_is_general(const ppq_operands *o, const ppq_conv_shape *shape,
                         const ppq_dnnl_window *window, const ppq_shape *src,
                         const ppq_tensor *weights)
{
    const ppq_dnnl_md w = weights_md(shape, weights);
    ppq_dnnl_op *op;
    bool unused;
    if (make(o, shape, window, src, PPQ_LAYOUT_CHANNELS_LAST, &w, &op) != PPQ_OK)
        return true;
    try_padded(o, shape, window, src, &w, &op, &unused);
    const bool general = is_general(op);
    ppq_dnnl_op_destroy(op);
    return general;
}

ppq_status ppq_conv_emit(ppq_operands *o, const ppq_conv_shape *shape,
                         const ppq_dnnl_window *window, const ppq_shape *src,
                         const ppq_tensor *weights)
{
    if (o->exact)
        return ppq_conv_emit_q8(o, shape, window, src, weights, macs(o, shape));
    const ppq_dnnl_md w = weights_md(shape, weights);
    ppq_dnnl_op *dnnl;
    bool was_padded;
    PPQ_TRY(make(o, shape, window, src, PPQ_LAYOUT_CHANNELS_LAST, &w, &dnnl));
    try_plain(o, shape, window, src, &w, &dnnl);
    try_padded(o, shape, window, src, &w, &dnnl, &was_padded);
    if (was_padded) {
        ppq_dnnl_window bare;
        const ppq_shape to = padded(src, window, &bare);
        const ppq_status st = add_border(o, window, src, &to);
        if (st != PPQ_OK) {
            ppq_dnnl_op_destroy(dnnl);
            return st;
        }
    }
    return ppq_operands_emit(o, shape->transposed ? "conv-transpose" : "conv", dnnl, weights, &w,
                             PPQ_LAYOUT_CHANNELS_LAST, macs(o, shape));
}

static ppq_status try_cut(ppq_plan *p, const ppq_op *op, ppq_chain_cut cut)
{
    ppq_operands o = { .p = p, .op = op };
    ppq_conv_shape shape;
    ppq_status st = ppq_conv_describe(&o, &shape, cut, true);
    if (st == PPQ_OK && (st = ppq_conv_emit_own(&o, &shape)) == PPQ_ERR_UNSUPPORTED) {
        const ppq_dnnl_window w = ppq_dnnl_window_of(&shape.win, shape.transposed);
        st = ppq_conv_emit(&o, &shape, &w, &p->shape[op->in[0]->id], ppq_operands_weights(&o));
    }
    ppq_operands_fini(&o);
    return st;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    return ppq_chain_try_cuts(p, op, try_cut);
}

static const char *const types[] = { "Conv", "ConvTranspose", NULL };

const ppq_rule ppq_rule_conv = {
    .name = "conv",
    .summary = "Conv and ConvTranspose with bias, activations, residual addition, requantization",
    .types = types,
    .lower = lower,
};
