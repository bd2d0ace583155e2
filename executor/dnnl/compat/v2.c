#include <stdlib.h>

#include "executor/dnnl/compat/lib.h"

// oneDNN 2.x: descriptors are values, a primitive has a description of its own from which the
// primitive descriptor is made, one scale per output channel is fixed at creation. Bias and
// post-ops are in units of the sum and of what the scale makes of it.

bool ppq_lib_is_xeon_phi(dnnl_cpu_isa_t isa)
{
    return isa == dnnl_cpu_isa_avx512_mic || isa == dnnl_cpu_isa_avx512_mic_4ops;
}

// ---- descriptors ---------------------------------------------------------------------------

ppq_desc_ref ppq_lib_desc_ref(const ppq_desc *m)
{
    return m->valid ? &m->d : NULL;
}

dnnl_status_t ppq_lib_desc_create(ppq_desc *m, const ppq_dnnl_md *md, dnnl_data_type_t dt)
{
    const dnnl_status_t st =
        md->format == PPQ_DNNL_ANY
            ? dnnl_memory_desc_init_by_tag(&m->d, md->rank, md->dim, dt, dnnl_format_tag_any)
            : dnnl_memory_desc_init_by_strides(&m->d, md->rank, md->dim, dt, md->stride);
    m->valid = st == dnnl_success;
    return st;
}

dnnl_status_t ppq_lib_desc_copy(ppq_desc *m, ppq_desc_ref from)
{
    *m = (ppq_desc){ *from, true };
    return dnnl_success;
}

void ppq_lib_desc_fini(ppq_desc *m)
{
    m->valid = false;
}

// ---- attributes ----------------------------------------------------------------------------

static bool commutes_with_scale(const ppq_dnnl_post *p)
{
    return p->kind == PPQ_DNNL_POST_SUM || (p->kind == PPQ_DNNL_POST_ELTWISE &&
                                            (p->alg == PPQ_DNNL_RELU || p->alg == PPQ_DNNL_CLIP));
}

// The scale of the output goes before the post-ops when all of them commute with it, which costs
// nothing, and behind them otherwise.
ppq_lib_units ppq_lib_units_of(const ppq_dnnl_attr *a)
{
    if (!a->quant)
        return (ppq_lib_units){ 1, 1 };
    const float unit = 1 / a->quant->dst_scale;
    for (int i = 0; i < a->n_post; i++)
        if (!commutes_with_scale(&a->post[i]))
            return (ppq_lib_units){ 1, unit };
    return (ppq_lib_units){ unit, 1 };
}

static dnnl_status_t set_zero(ppq_maker *k, int arg, const int32_t *zero)
{
    return *zero ? dnnl_primitive_attr_set_zero_points(k->attr, arg, 1, 0, zero) : dnnl_success;
}

dnnl_status_t ppq_lib_set_quant(ppq_maker *k, const ppq_dnnl_attr *a, ppq_scale_dim dim, int rank)
{
    const ppq_dnnl_quant *q = a->quant;
    const float unit = ppq_lib_units_of(a).post;
    const int64_t n = dim == PPQ_SCALE_NONE ? 1 : q->n_wei_scale;
    const int channel = dim == PPQ_SCALE_LAST ? rank - 1 : 1; // of the output
    float *scale = malloc((size_t) n * sizeof(float));
    if (!scale)
        return dnnl_out_of_memory;
    for (int64_t i = 0; i < n; i++)
        scale[i] = q->src_scale * (dim == PPQ_SCALE_NONE ? 1 : q->wei_scale[i]) * unit;
    dnnl_status_t st =
        dnnl_primitive_attr_set_output_scales(k->attr, n, n == 1 ? 0 : 1 << channel, scale);
    free(scale);
    if (st == dnnl_success)
        st = set_zero(k, DNNL_ARG_SRC, &q->src_zero);
    if (st == dnnl_success)
        st = set_zero(k, DNNL_ARG_DST, &q->dst_zero);
    return st == dnnl_success ? set_zero(k, DNNL_ARG_WEIGHTS, &q->wei_zero) : st;
}

// It is added to the sum, before the scale.
void ppq_dnnl_bias(const ppq_dnnl_quant *q, const float *bias, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = q ? bias[i] / (q->src_scale * q->wei_scale[q->n_wei_scale == 1 ? 0 : i]) : bias[i];
}

dnnl_status_t ppq_lib_append_sum(dnnl_post_ops_t ops, float scale, int32_t zero,
                                 dnnl_data_type_t dt)
{
    return dnnl_post_ops_append_sum_v3(ops, scale, zero, dt);
}

dnnl_status_t ppq_lib_append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha,
                                     float beta)
{
    return dnnl_post_ops_append_eltwise(ops, 1, alg, alpha, beta);
}

// ---- operations ----------------------------------------------------------------------------

static ppq_desc_ref ref(const ppq_desc *m)
{
    return ppq_lib_desc_ref(m);
}

// `st` is what making the description `d` gave.
static dnnl_status_t describe(ppq_maker *k, dnnl_status_t st, const void *d)
{
    return st == dnnl_success
               ? dnnl_primitive_desc_create(&k->op->pd, d, k->attr, k->op->engine, NULL)
               : st;
}

dnnl_status_t ppq_lib_conv(ppq_maker *k, bool transposed, const ppq_dnnl_window *w,
                           const dnnl_dims_t dilation)
{
    dnnl_convolution_desc_t d;
    const dnnl_status_t st = (transposed ? dnnl_dilated_deconvolution_forward_desc_init
                                         : dnnl_dilated_convolution_forward_desc_init)(
        &d, dnnl_forward_inference,
        transposed ? dnnl_deconvolution_direct : dnnl_convolution_direct, ref(&k->src),
        ref(&k->weights), ref(&k->bias), ref(&k->dst), w->stride, dilation, w->pad_lo, w->pad_hi);
    return describe(k, st, &d);
}

dnnl_status_t ppq_lib_matmul(ppq_maker *k)
{
    dnnl_matmul_desc_t d;
    const dnnl_status_t st =
        dnnl_matmul_desc_init(&d, ref(&k->src), ref(&k->weights), ref(&k->bias), ref(&k->dst));
    return describe(k, st, &d);
}

dnnl_status_t ppq_lib_inner_product(ppq_maker *k)
{
    dnnl_inner_product_desc_t d;
    const dnnl_status_t st = dnnl_inner_product_forward_desc_init(
        &d, dnnl_forward_inference, ref(&k->src), ref(&k->weights), ref(&k->bias), ref(&k->dst));
    return describe(k, st, &d);
}

dnnl_status_t ppq_lib_pool(ppq_maker *k, dnnl_alg_kind_t alg, const ppq_dnnl_window *w,
                           const dnnl_dims_t dilation)
{
    dnnl_pooling_v2_desc_t d;
    const dnnl_status_t st = dnnl_pooling_v2_forward_desc_init(
        &d, dnnl_forward_inference, alg, ref(&k->src), ref(&k->dst), w->stride, w->kernel, dilation,
        w->pad_lo, w->pad_hi);
    return describe(k, st, &d);
}

dnnl_status_t ppq_lib_eltwise(ppq_maker *k, dnnl_alg_kind_t alg, float alpha, float beta)
{
    dnnl_eltwise_desc_t d;
    const dnnl_status_t st =
        dnnl_eltwise_forward_desc_init(&d, dnnl_forward_inference, alg, ref(&k->src), alpha, beta);
    return describe(k, st, &d);
}

dnnl_status_t ppq_lib_binary(ppq_maker *k, dnnl_alg_kind_t alg)
{
    dnnl_binary_desc_t d;
    const dnnl_status_t st =
        dnnl_binary_desc_init(&d, alg, ref(&k->src), ref(&k->weights), ref(&k->dst));
    return describe(k, st, &d);
}

dnnl_status_t ppq_lib_softmax(ppq_maker *k, bool log, int axis)
{
    dnnl_softmax_v2_desc_t d;
    const dnnl_status_t st = dnnl_softmax_v2_forward_desc_init(
        &d, dnnl_forward_inference, log ? dnnl_softmax_log : dnnl_softmax_accurate, ref(&k->src),
        ref(&k->dst), axis);
    return describe(k, st, &d);
}

dnnl_status_t ppq_lib_layer_norm(ppq_maker *k, float epsilon, unsigned flags)
{
    dnnl_layer_normalization_desc_t d;
    const dnnl_status_t st = dnnl_layer_normalization_forward_desc_init(
        &d, dnnl_forward_inference, ref(&k->src), NULL, epsilon, flags);
    return describe(k, st, &d);
}
