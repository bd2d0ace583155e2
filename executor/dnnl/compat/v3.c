#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "executor/dnnl/compat/lib.h"

// oneDNN 3.x: descriptors are handles, a call makes a primitive descriptor, scales and zero points
// are arguments of the execution. Bias and post-ops are in real units, as they are stated.

bool ppq_lib_is_xeon_phi(dnnl_cpu_isa_t isa)
{
    (void) isa;
    return false;
}

// ---- descriptors ---------------------------------------------------------------------------

ppq_desc_ref ppq_lib_desc_ref(const ppq_desc *m)
{
    return m->valid ? m->d : NULL;
}

dnnl_status_t ppq_lib_desc_create(ppq_desc *m, const ppq_dnnl_md *md, dnnl_data_type_t dt)
{
    const dnnl_status_t st =
        md->format == PPQ_DNNL_ANY
            ? dnnl_memory_desc_create_with_tag(&m->d, md->rank, md->dim, dt, dnnl_format_tag_any)
            : dnnl_memory_desc_create_with_strides(&m->d, md->rank, md->dim, dt, md->stride);
    m->valid = st == dnnl_success;
    return st;
}

dnnl_status_t ppq_lib_desc_copy(ppq_desc *m, ppq_desc_ref from)
{
    const dnnl_status_t st = dnnl_memory_desc_clone(&m->d, from);
    m->valid = st == dnnl_success;
    return st;
}

void ppq_lib_desc_fini(ppq_desc *m)
{
    if (m->valid)
        dnnl_memory_desc_destroy(m->d);
    m->valid = false;
}

// ---- attributes ----------------------------------------------------------------------------

static dnnl_status_t bind(ppq_maker *k, int arg, dnnl_data_type_t dt, int64_t n, void *data)
{
    const dnnl_dims_t dims = { n }, strides = { 1 };
    dnnl_memory_desc_t m;
    dnnl_memory_t memory;
    dnnl_status_t st = dnnl_memory_desc_create_with_strides(&m, 1, dims, dt, strides);
    if (st != dnnl_success)
        return st;
    st = dnnl_memory_create(&memory, m, k->op->engine, data);
    dnnl_memory_desc_destroy(m);
    assert(k->op->n_fixed < PPQ_LIB_FIXED);
    if (st == dnnl_success)
        k->op->fixed[k->op->n_fixed++] = (dnnl_exec_arg_t){ arg, memory };
    return st;
}

static dnnl_status_t set_scale(ppq_maker *k, int arg, int mask, int64_t n, float *scale)
{
    const dnnl_status_t st = dnnl_primitive_attr_set_scales_mask(k->attr, arg, mask);
    return st == dnnl_success ? bind(k, DNNL_ARG_ATTR_SCALES | arg, dnnl_f32, n, scale) : st;
}

static dnnl_status_t set_zero(ppq_maker *k, int arg, int32_t *zero)
{
    if (!*zero)
        return dnnl_success;
    const dnnl_status_t st = dnnl_primitive_attr_set_zero_points_mask(k->attr, arg, 0);
    return st == dnnl_success ? bind(k, DNNL_ARG_ATTR_ZERO_POINTS | arg, dnnl_s32, 1, zero) : st;
}

static dnnl_status_t set_weight_scales(ppq_maker *k, ppq_scale_dim dim, int rank)
{
    static const int masks[] = { [PPQ_SCALE_FIRST] = 1, [PPQ_SCALE_GROUPED] = 3 };
    const ppq_dnnl_quant *q = &k->op->quant;
    const size_t bytes = (size_t) q->n_wei_scale * sizeof(float);
    const int mask = dim == PPQ_SCALE_LAST ? 1 << (rank - 1) : masks[dim];
    k->op->wei_scale = malloc(bytes);
    if (!k->op->wei_scale)
        return dnnl_out_of_memory;
    memcpy(k->op->wei_scale, q->wei_scale, bytes);
    return set_scale(k, DNNL_ARG_WEIGHTS, q->n_wei_scale == 1 ? 0 : mask, q->n_wei_scale,
                     k->op->wei_scale);
}

dnnl_status_t ppq_lib_set_quant(ppq_maker *k, const ppq_dnnl_attr *a, ppq_scale_dim dim, int rank)
{
    ppq_dnnl_quant *q = &k->op->quant;
    *q = *a->quant;
    dnnl_status_t st = set_scale(k, DNNL_ARG_SRC, 0, 1, &q->src_scale);
    if (st == dnnl_success && dim != PPQ_SCALE_NONE)
        st = set_weight_scales(k, dim, rank);
    if (st == dnnl_success && q->dst_scale != 1)
        st = set_scale(k, DNNL_ARG_DST, 0, 1, &q->dst_scale);
    if (st == dnnl_success)
        st = set_zero(k, DNNL_ARG_SRC, &q->src_zero);
    if (st == dnnl_success)
        st = set_zero(k, DNNL_ARG_DST, &q->dst_zero);
    return st == dnnl_success ? set_zero(k, DNNL_ARG_WEIGHTS, &q->wei_zero) : st;
}

void ppq_dnnl_bias(const ppq_dnnl_quant *q, const float *bias, int64_t n, float *out)
{
    (void) q;
    memcpy(out, bias, (size_t) n * sizeof(float));
}

ppq_lib_units ppq_lib_units_of(const ppq_dnnl_attr *a)
{
    (void) a;
    return (ppq_lib_units){ 1, 1 };
}

dnnl_status_t ppq_lib_append_sum(dnnl_post_ops_t ops, float scale, int32_t zero,
                                 dnnl_data_type_t dt)
{
    return dnnl_post_ops_append_sum(ops, scale, zero, dt);
}

// hardswish is x * clip(alpha * x + beta, 0, 1) with both free here.
static void fix_hard_swish(dnnl_alg_kind_t alg, float *alpha, float *beta)
{
    if (alg == dnnl_eltwise_hardswish) {
        *alpha = 1.0f / 6;
        *beta = 0.5f;
    }
}

dnnl_status_t ppq_lib_append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha,
                                     float beta)
{
    fix_hard_swish(alg, &alpha, &beta);
    return dnnl_post_ops_append_eltwise(ops, alg, alpha, beta);
}

// ---- operations ----------------------------------------------------------------------------

static ppq_desc_ref ref(const ppq_desc *m)
{
    return ppq_lib_desc_ref(m);
}

dnnl_status_t ppq_lib_conv(ppq_maker *k, bool transposed, const ppq_dnnl_window *w,
                           const dnnl_dims_t dilation)
{
    return (transposed ? dnnl_deconvolution_forward_primitive_desc_create
                       : dnnl_convolution_forward_primitive_desc_create)(
        &k->op->pd, k->op->engine, dnnl_forward_inference,
        transposed ? dnnl_deconvolution_direct : dnnl_convolution_direct, ref(&k->src),
        ref(&k->weights), ref(&k->bias), ref(&k->dst), w->stride, dilation, w->pad_lo, w->pad_hi,
        k->attr);
}

dnnl_status_t ppq_lib_matmul(ppq_maker *k)
{
    return dnnl_matmul_primitive_desc_create(&k->op->pd, k->op->engine, ref(&k->src),
                                             ref(&k->weights), ref(&k->bias), ref(&k->dst),
                                             k->attr);
}

dnnl_status_t ppq_lib_inner_product(ppq_maker *k)
{
    return dnnl_inner_product_forward_primitive_desc_create(
        &k->op->pd, k->op->engine, dnnl_forward_inference, ref(&k->src), ref(&k->weights),
        ref(&k->bias), ref(&k->dst), k->attr);
}

dnnl_status_t ppq_lib_pool(ppq_maker *k, dnnl_alg_kind_t alg, const ppq_dnnl_window *w,
                           const dnnl_dims_t dilation)
{
    return dnnl_pooling_forward_primitive_desc_create(
        &k->op->pd, k->op->engine, dnnl_forward_inference, alg, ref(&k->src), ref(&k->dst),
        w->stride, w->kernel, dilation, w->pad_lo, w->pad_hi, k->attr);
}

dnnl_status_t ppq_lib_eltwise(ppq_maker *k, dnnl_alg_kind_t alg, float alpha, float beta)
{
    fix_hard_swish(alg, &alpha, &beta);
    return dnnl_eltwise_forward_primitive_desc_create(&k->op->pd, k->op->engine,
                                                      dnnl_forward_inference, alg, ref(&k->src),
                                                      ref(&k->dst), alpha, beta, k->attr);
}

dnnl_status_t ppq_lib_binary(ppq_maker *k, dnnl_alg_kind_t alg)
{
    return dnnl_binary_primitive_desc_create(&k->op->pd, k->op->engine, alg, ref(&k->src),
                                             ref(&k->weights), ref(&k->dst), k->attr);
}

dnnl_status_t ppq_lib_softmax(ppq_maker *k, bool log, int axis)
{
    return dnnl_softmax_forward_primitive_desc_create(
        &k->op->pd, k->op->engine, dnnl_forward_inference,
        log ? dnnl_softmax_log : dnnl_softmax_accurate, ref(&k->src), ref(&k->dst), axis, k->attr);
}

dnnl_status_t ppq_lib_layer_norm(ppq_maker *k, float epsilon, unsigned flags)
{
    return dnnl_layer_normalization_forward_primitive_desc_create(
        &k->op->pd, k->op->engine, dnnl_forward_inference, ref(&k->src), ref(&k->dst), NULL,
        epsilon, flags, k->attr);
}
