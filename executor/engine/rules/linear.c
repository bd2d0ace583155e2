#include <string.h>

#include "executor/engine/rules/operands.h"

// Gemm and MatMul with constant weights, with what follows them: one matrix product over all rows.

typedef struct linear {
    int64_t rows, k, n;
    bool transposed; // weights are n x k
} linear;

static bool is_gemm(const ppq_op *op)
{
    return ppq_op_is(op, "Gemm");
}

static double macs(const linear *l)
{
    return (double) l->rows * (double) l->k * (double) l->n;
}

static ppq_status describe(ppq_operands *o, linear *l, ppq_chain_cut cut)
{
    const ppq_plan *p = o->p;
    const ppq_op *op = o->op;
    const ppq_shape *x = &p->shape[op->in[0]->id], *w = &p->shape[op->in[1]->id];
    const ppq_shape *y = &p->shape[op->out[0]->id];
    if (w->rank != 2 || x->rank < 2 || ppq_shape_numel(y) == 0 || ppq_shape_numel(x) == 0 ||
        p->dtype[op->in[0]->id] != PPQ_DT_F32)
        return PPQ_ERR_UNSUPPORTED;
    const ppq_var *c = is_gemm(op) && op->n_in > 2 ? op->in[2] : NULL;
    if (is_gemm(op) &&
        (ppq_op_attr_int(op, "transA", 0) || ppq_op_attr_float(op, "alpha", 1) != 1 ||
         (c && ppq_op_attr_float(op, "beta", 1) != 1)))
        return PPQ_ERR_UNSUPPORTED;
    l->transposed = is_gemm(op) && ppq_op_attr_int(op, "transB", 0);
    l->k = x->dim[x->rank - 1];
    l->n = y->dim[y->rank - 1];
    l->rows = ppq_shape_numel(x) / l->k;
    // A bias with a value per row is not ours.
    if (c && ppq_shape_numel(&p->shape[c->id]) != 1 &&
        (ppq_shape_numel(&p->shape[c->id]) != l->n ||
         p->shape[c->id].dim[p->shape[c->id].rank - 1] != l->n))
        return PPQ_ERR_UNSUPPORTED;
    o->channels = l->n;
    o->has_exact = true;
    PPQ_TRY(
        ppq_operands_init(o, op->in[0], op->in[1], l->transposed ? 0 : 1, l->transposed ? 1 : 0));
    const ppq_chain_opts opts = { .channel_axis = y->rank - 1, .integers = o->int8, .cut = cut };
    ppq_chain_follow(p, op, &opts, &o->chain);
    PPQ_TRY(ppq_operands_weigh(o, op->in[1], PPQ_WANT_PLAIN, macs(l)));
    return ppq_operands_add_bias(o, c) && ppq_operands_add_bias(o, o->chain.bias)
               ? PPQ_OK
               : PPQ_ERR_UNSUPPORTED;
}

static ppq_dnnl_md matrix(ppq_dtype dt, int64_t rows, int64_t cols, bool transposed)
{
    return (ppq_dnnl_md){ .dtype = dt,
                          .rank = 2,
                          .dim = { rows, cols },
                          .stride = { transposed ? 1 : cols, transposed ? rows : 1 } };
}

static ppq_status make_dnnl(const ppq_operands *o, const linear *l, int64_t cols,
                            const ppq_dnnl_md *weights, ppq_dnnl_op **out)
{
    const ppq_dnnl_quant q = ppq_operands_quant(o);
    ppq_dnnl_operands m = { .src = matrix(ppq_operands_src_type(o), l->rows, l->k, false),
                            .weights = *weights,
                            .dst = matrix(ppq_operands_dst_type(o), l->rows, cols, false) };
    m.dst.stride[0] = l->n;
    if (o->bias)
        m.bias = matrix(PPQ_DT_F32, 1, cols, false);
    const ppq_dnnl_attr attr = { o->int8 ? &q : NULL, o->chain.post, o->chain.n_post };
    return ppq_dnnl_matmul(&m, &attr, out);
}

// Rows as the pixels of an image, which is the same order of bytes: a pointwise convolution.
static ppq_dnnl_md image(ppq_dtype dt, int64_t channels, int64_t rows)
{
    const ppq_shape s = { .rank = 4, .dim = { 1, channels, 1, rows } };
    return ppq_dnnl_md_of(dt, &s, PPQ_LAYOUT_CHANNELS_LAST);
}

static ppq_dnnl_md pointwise_weights(ppq_dtype dt, const linear *l)
{
    return (ppq_dnnl_md){ .dtype = dt,
                          .rank = 4,
                          .dim = { l->n, l->k, 1, 1 },
                          .stride = { l->transposed ? l->k : 1, l->transposed ? 1 : l->n, 1, 1 } };
}

static ppq_status make_pointwise(const ppq_operands *o, const linear *l, const ppq_dnnl_md *weights,
                                 ppq_dnnl_op **out)
{
    static const ppq_dnnl_window window = {
        .n = 2, .kernel = { 1, 1 }, .stride = { 1, 1 }, .dilation = { 1, 1 }
    };
    const ppq_dnnl_quant q = ppq_operands_quant(o);
    const ppq_shape bias = ppq_shape_1d(l->n);
    ppq_dnnl_operands m = { .src = image(ppq_operands_src_type(o), l->k, l->rows),
                            .weights = ppq_dnnl_md_any(weights),
                            .dst = image(ppq_operands_dst_type(o), l->n, l->rows) };
    if (o->bias)
        m.bias = ppq_dnnl_md_of(PPQ_DT_F32, &bias, PPQ_LAYOUT_PLAIN);
    const ppq_dnnl_attr attr = { &q, o->chain.post, o->chain.n_post };
    return ppq_dnnl_conv(&m, &window, false, false, &attr, out);
}

// Where the library's matrix product is the general one, whose result takes a second pass to
// requantize, its pointwise convolution is faster.
static ppq_status emit_integers(ppq_operands *o, const linear *l)
{
    const ppq_tensor *w = ppq_operands_weights(o);
    if (o->exact)
        return ppq_linear_emit_q8(o, l->rows, l->k, l->n, l->transposed, w);
    const ppq_dnnl_md weights = matrix(w->dtype, l->k, l->n, l->transposed);
    const ppq_dnnl_md pointwise = pointwise_weights(w->dtype, l);
    ppq_dnnl_op *dnnl = NULL, *conv;
    const ppq_dnnl_md any = ppq_dnnl_md_any(&weights);
    const ppq_status st = make_dnnl(o, l, l->n, &any, &dnnl);
    const bool general = st != PPQ_OK || strstr(ppq_dnnl_impl(dnnl), "gemm:jit");
    if (general && make_pointwise(o, l, &pointwise, &conv) == PPQ_OK) {
        ppq_dnnl_op_destroy(dnnl);
        return ppq_operands_emit(o, "linear", conv, w, &pointwise, PPQ_LAYOUT_PLAIN, macs(l));
    }
    PPQ_TRY(st);
    return ppq_operands_emit(o, "linear", dnnl, w, &weights, PPQ_LAYOUT_PLAIN, macs(l));
}

// ---- float ----------------------------------------------------------------------------------

// The library lets the number of threads decide how float sums are split. Therefore columns are cut
// into tiles that depend on the shape alone, each the work of one thread.
static int64_t tile_cols(const linear *l)
{
    const int64_t parts = 4 * (1 + (l->n - 1) / 1024);
    const int64_t even = ((l->n + parts - 1) / parts + 15) / 16 * 16;
    return l->n < 128 ? l->n : PPQ_MAX(even, 64);
}

// For few rows a product waits for its weights: the graph's own are as fast as a packed copy then,
// when each column's lie together.
static bool reads_graph_weights(const linear *l)
{
    return l->transposed && l->rows <= 4;
}

static ppq_status emit_tile(ppq_operands *o, const linear *l, int64_t from, int64_t cols,
                            const int32_t in[2], int32_t out)
{
    ppq_plan *p = o->p;
    ppq_dnnl_md weights = matrix(PPQ_DT_F32, l->k, l->n, l->transposed);
    weights.dim[1] = cols;
    ppq_tensor part = o->real;
    part.offset += (size_t) (from * (l->transposed ? l->k : 1)) * sizeof(float);
    if (l->transposed)
        part.shape.dim[0] = cols;
    const ppq_dnnl_md any = ppq_dnnl_md_any(&weights);
    ppq_dnnl_op *dnnl;
    PPQ_TRY(make_dnnl(o, l, cols, reads_graph_weights(l) ? &weights : &any, &dnnl));
    ppq_step *s =
        ppq_plan_add_dnnl(p, o->op, "linear", dnnl, in, in[1] == PPQ_NO_VALUE ? 1 : 2, &out, 1);
    s->group = p->n_groups;
    s->macs = (double) l->rows * (double) l->k * (double) cols;
    PPQ_TRY(ppq_dnnl_pack(dnnl, PPQ_DNNL_WEIGHTS, &weights, &part, &s->packed[0]));
    ppq_step_bind(s, PPQ_DNNL_SRC, in[0]);
    ppq_step_bind_const(s, PPQ_DNNL_WEIGHTS, &s->packed[0]);
    if (o->bias) {
        const ppq_shape n = ppq_shape_1d(cols);
        PPQ_TRY(ppq_tensor_alloc(&s->packed[1], PPQ_DT_F32, &n));
        memcpy(ppq_f32(&s->packed[1]), o->bias + from, (size_t) cols * sizeof(float));
        ppq_step_bind_const(s, PPQ_DNNL_BIAS, &s->packed[1]);
    }
    ppq_step_bind_part(s, PPQ_DNNL_DST, out, (size_t) from * sizeof(float));
    return PPQ_OK;
}

static ppq_status emit_floats(ppq_operands *o, const linear *l)
{
    ppq_plan *p = o->p;
    int32_t in[2], out;
    // Whether the library can do it at all shows before anything is written.
    ppq_dnnl_op *probe;
    const ppq_dnnl_md weights = matrix(PPQ_DT_F32, l->k, l->n, l->transposed);
    PPQ_TRY(make_dnnl(o, l, l->n, &weights, &probe));
    ppq_dnnl_op_destroy(probe);
    in[0] = o->source;
    if (!o->has_source)
        PPQ_TRY(ppq_plan_read(p, o->x, PPQ_WANT_PLAIN, true, &in[0]));
    PPQ_TRY(ppq_chain_output(p, o->op, &o->chain, PPQ_LAYOUT_PLAIN, &in[1], &out));
    const int before = ppq_dnnl_get_threads();
    ppq_dnnl_set_threads(1);
    p->n_groups++;
    ppq_status st = PPQ_OK;
    const int64_t tile = tile_cols(l);
    for (int64_t at = 0; at < l->n && st == PPQ_OK; at += tile)
        st = emit_tile(o, l, at, PPQ_MIN(tile, l->n - at), in, out);
    ppq_dnnl_set_threads(before);
    if (st == PPQ_OK)
        ppq_chain_done(p, o->op, &o->chain);
    return st;
}

static ppq_status try_cut(ppq_plan *p, const ppq_op *op, ppq_chain_cut cut)
{
    ppq_operands o = { .p = p, .op = op };
    linear l;
    ppq_status st = describe(&o, &l, cut);
    if (st == PPQ_OK)
        st = o.int8 ? emit_integers(&o, &l) : emit_floats(&o, &l);
    ppq_operands_fini(&o);
    return st;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    return ppq_chain_try_cuts(p, op, try_cut);
}

static const char *const types[] = { "Gemm", "MatMul", NULL };

const ppq_rule ppq_rule_linear = {
    .name = "linear",
    .summary = "Gemm and MatMul with constant weights, with bias, activations, requantization",
    .types = types,
    .lower = lower,
};
