#include <stdlib.h>
#include <string.h>

#include "executor/dnnl/compat/lib.h"

// Making operations: attributes, what all constructors share, the constructors.

// ---- attributes ----------------------------------------------------------------------------

static dnnl_alg_kind_t algorithm(ppq_dnnl_alg alg)
{
    static const dnnl_alg_kind_t algs[] = {
        [PPQ_DNNL_RELU] = dnnl_eltwise_relu,     [PPQ_DNNL_CLIP] = dnnl_eltwise_clip,
        [PPQ_DNNL_LINEAR] = dnnl_eltwise_linear, [PPQ_DNNL_LOGISTIC] = dnnl_eltwise_logistic,
        [PPQ_DNNL_TANH] = dnnl_eltwise_tanh,     [PPQ_DNNL_ELU] = dnnl_eltwise_elu,
        [PPQ_DNNL_EXP] = dnnl_eltwise_exp,       [PPQ_DNNL_GELU_ERF] = dnnl_eltwise_gelu_erf,
        [PPQ_DNNL_SWISH] = dnnl_eltwise_swish,   [PPQ_DNNL_HARD_SWISH] = dnnl_eltwise_hardswish,
        [PPQ_DNNL_ROUND] = dnnl_eltwise_round,   [PPQ_DNNL_ADD] = dnnl_binary_add,
        [PPQ_DNNL_SUB] = dnnl_binary_sub,        [PPQ_DNNL_MUL] = dnnl_binary_mul,
        [PPQ_DNNL_DIV] = dnnl_binary_div,        [PPQ_DNNL_MAX] = dnnl_binary_max,
        [PPQ_DNNL_MIN] = dnnl_binary_min,
    };
    return algs[alg];
}

static dnnl_status_t append_binary(dnnl_post_ops_t ops, const ppq_dnnl_post *p)
{
    ppq_desc m;
    dnnl_status_t st = ppq_desc_init(&m, &p->md);
    if (st == dnnl_success)
        st = dnnl_post_ops_append_binary(ops, algorithm(p->alg), ppq_lib_desc_ref(&m));
    ppq_lib_desc_fini(&m);
    return st;
}

static dnnl_status_t append_post(dnnl_post_ops_t ops, const ppq_dnnl_post *p, float unit)
{
    switch (p->kind) {
    case PPQ_DNNL_POST_SUM:
        return ppq_lib_append_sum(ops, p->scale * unit, p->zero, ppq_desc_type(p->dtype));
    case PPQ_DNNL_POST_ELTWISE: {
        const float u = p->alg == PPQ_DNNL_CLIP ? unit : 1;
        return ppq_lib_append_eltwise(ops, algorithm(p->alg), p->alpha * u, p->beta * u);
    }
    case PPQ_DNNL_POST_BINARY:
        return append_binary(ops, p);
    }
    return dnnl_invalid_arguments;
}

static dnnl_status_t set_post(ppq_maker *k, const ppq_dnnl_attr *a)
{
    const ppq_lib_units unit = ppq_lib_units_of(a);
    if (!a->n_post && unit.last == 1)
        return dnnl_success;
    dnnl_post_ops_t ops;
    dnnl_status_t st = dnnl_post_ops_create(&ops);
    if (st != dnnl_success)
        return st;
    for (int i = 0; st == dnnl_success && i < a->n_post; i++)
        st = append_post(ops, &a->post[i], unit.post);
    if (st == dnnl_success && unit.last != 1)
        st = ppq_lib_append_eltwise(ops, dnnl_eltwise_linear, unit.last, 0);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_post_ops(k->attr, ops);
    dnnl_post_ops_destroy(ops);
    return st;
}

// ---- creation ------------------------------------------------------------------------------

static dnnl_status_t maker_init(ppq_maker *k, const ppq_dnnl_operands *m, const ppq_dnnl_attr *a,
                                ppq_scale_dim dim)
{
    static const ppq_dnnl_attr none = { .quant = NULL };
    a = a ? a : &none;
    *k = (ppq_maker){ .op = calloc(1, sizeof(*k->op)) };
    if (!k->op)
        return dnnl_out_of_memory;
    k->op->n_threads = ppq_dnnl_get_threads();
    const ppq_dnnl_md *md[] = { &m->src, &m->weights, &m->bias, &m->dst };
    ppq_desc *to[] = { &k->src, &k->weights, &k->bias, &k->dst };
    dnnl_status_t st = dnnl_engine_create(&k->op->engine, dnnl_cpu, 0);
    for (size_t i = 0; st == dnnl_success && i < PPQ_COUNT(md); i++)
        st = ppq_desc_init(to[i], md[i]);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_create(&k->attr);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_scratchpad_mode(k->attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success && a->quant)
        st = ppq_lib_set_quant(k, a, dim, m->dst.rank);
    return st == dnnl_success ? set_post(k, a) : st;
}

static bool is_reference(const ppq_dnnl_op *op)
{
    return strstr(ppq_dnnl_impl(op), "ref") != NULL;
}

// Turns the primitive descriptor, made with status `st`, into the operation; frees the rest.
static ppq_status maker_finish(ppq_maker *k, dnnl_status_t st, ppq_dnnl_op **out)
{
    ppq_dnnl_op *op = k->op;
    if (st == dnnl_success && !k->allow_reference && is_reference(op))
        st = dnnl_unimplemented;
    if (st == dnnl_success)
        st = dnnl_primitive_create(&op->primitive, op->pd);
    if (k->attr)
        dnnl_primitive_attr_destroy(k->attr);
    ppq_lib_desc_fini(&k->src);
    ppq_lib_desc_fini(&k->weights);
    ppq_lib_desc_fini(&k->bias);
    ppq_lib_desc_fini(&k->dst);
    if (st == dnnl_success)
        *out = op;
    else
        ppq_dnnl_op_destroy(op);
    return ppq_lib_status(st);
}

// ---- constructors --------------------------------------------------------------------------

// The library counts a dense kernel as dilation 0.
static void dense_dilation(const ppq_dnnl_window *w, dnnl_dims_t out)
{
    for (int i = 0; i < PPQ_DNNL_DIMS; i++)
        out[i] = i < w->n ? w->dilation[i] - 1 : 0;
}

ppq_status ppq_dnnl_conv(const ppq_dnnl_operands *m, const ppq_dnnl_window *w, bool grouped,
                         bool transposed, const ppq_dnnl_attr *attr, ppq_dnnl_op **out)
{
    ppq_maker k;
    dnnl_dims_t dilation;
    dense_dilation(w, dilation);
    dnnl_status_t st = maker_init(&k, m, attr, grouped ? PPQ_SCALE_GROUPED : PPQ_SCALE_FIRST);
    if (st == dnnl_success)
        st = ppq_lib_conv(&k, transposed, w, dilation);
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_matmul(const ppq_dnnl_operands *m, const ppq_dnnl_attr *attr, ppq_dnnl_op **out)
{
    ppq_maker k;
    dnnl_status_t st = maker_init(&k, m, attr, PPQ_SCALE_LAST);
    if (st == dnnl_success)
        st = ppq_lib_matmul(&k);
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_inner_product(const ppq_dnnl_operands *m, const ppq_dnnl_attr *attr,
                                  ppq_dnnl_op **out)
{
    ppq_maker k;
    dnnl_status_t st = maker_init(&k, m, attr, PPQ_SCALE_FIRST);
    if (st == dnnl_success)
        st = ppq_lib_inner_product(&k);
    return maker_finish(&k, st, out);
}

// Of operations without weights or attributes.
static dnnl_status_t plain_init(ppq_maker *k, const ppq_dnnl_md *src, const ppq_dnnl_md *dst)
{
    return maker_init(k, &(ppq_dnnl_operands){ .src = *src, .dst = *dst }, NULL, PPQ_SCALE_NONE);
}

ppq_status ppq_dnnl_pool(ppq_dnnl_pool_kind kind, const ppq_dnnl_md *src, const ppq_dnnl_md *dst,
                         const ppq_dnnl_window *w, ppq_dnnl_op **out)
{
    static const dnnl_alg_kind_t algs[] = {
        [PPQ_DNNL_POOL_MAX] = dnnl_pooling_max,
        [PPQ_DNNL_POOL_AVG] = dnnl_pooling_avg_exclude_padding,
        [PPQ_DNNL_POOL_AVG_PADDED] = dnnl_pooling_avg_include_padding,
    };
    ppq_maker k;
    dnnl_dims_t dilation;
    dense_dilation(w, dilation);
    dnnl_status_t st = plain_init(&k, src, dst);
    if (st == dnnl_success)
        st = ppq_lib_pool(&k, algs[kind], w, dilation);
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_eltwise(ppq_dnnl_alg alg, float alpha, float beta, const ppq_dnnl_md *md,
                            ppq_dnnl_op **out)
{
    ppq_maker k;
    dnnl_status_t st = plain_init(&k, md, md);
    if (st == dnnl_success)
        st = ppq_lib_eltwise(&k, algorithm(alg), alpha, beta);
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_binary(ppq_dnnl_alg alg, const ppq_dnnl_md *a, const ppq_dnnl_md *b,
                           const ppq_dnnl_md *dst, const ppq_dnnl_attr *attr, ppq_dnnl_op **out)
{
    ppq_maker k;
    const ppq_dnnl_operands m = { .src = *a, .weights = *b, .dst = *dst };
    dnnl_status_t st = maker_init(&k, &m, attr, PPQ_SCALE_NONE);
    if (st == dnnl_success)
        st = ppq_lib_binary(&k, algorithm(alg));
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_softmax(const ppq_dnnl_md *md, int axis, bool log, ppq_dnnl_op **out)
{
    ppq_maker k;
    dnnl_status_t st = plain_init(&k, md, md);
    if (st == dnnl_success)
        st = ppq_lib_softmax(&k, log, axis);
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_layer_norm(const ppq_dnnl_md *md, float epsilon, ppq_dnnl_op **out)
{
    ppq_maker k;
    dnnl_status_t st = plain_init(&k, md, md);
    if (st == dnnl_success)
        st = ppq_lib_layer_norm(&k, epsilon, (unsigned) dnnl_use_scale | (unsigned) dnnl_use_shift);
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_reorder(const ppq_dnnl_md *src, const ppq_dnnl_md *dst, const ppq_dnnl_quant *q,
                            ppq_dnnl_op **out)
{
    const ppq_dnnl_operands m = { .src = *src, .dst = *dst };
    ppq_maker k;
    dnnl_status_t st = maker_init(&k, &m, &(ppq_dnnl_attr){ .quant = q }, PPQ_SCALE_NONE);
    k.allow_reference = true; // made rarely, and there is no other way
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(&k.op->pd, ppq_lib_desc_ref(&k.src), k.op->engine,
                                                ppq_lib_desc_ref(&k.dst), k.op->engine, k.attr);
    return maker_finish(&k, st, out);
}
