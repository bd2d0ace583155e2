#include "executor/dnnl/compat.h"

#include <assert.h>
#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V3 (DNNL_VERSION_MAJOR >= 3)

#define OMP (DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP)

#if OMP
// From the OpenMP runtime that oneDNN itself uses, which need not be this compiler's. The last one
// is what `#pragma omp parallel` becomes.
void omp_set_num_threads(int n);
int omp_get_max_threads(void);
int omp_get_num_threads(void);
int omp_get_thread_num(void);
void GOMP_parallel(void (*fn)(void *data), void *data, unsigned n_threads, unsigned flags);
#endif

// Only creation and execution can fail, and after validation only for want of memory or of an
// implementation.
#define TRY(expr)                                 \
    do {                                          \
        const dnnl_status_t try_status_ = (expr); \
        if (try_status_ != dnnl_success)          \
            return status_of(try_status_);        \
    } while (0)

// Scales and zero points that 3.x reads at run time. They belong to the operation, as in 2.x.
enum { MAX_FIXED = 6, MAX_ARGS = 24 };

struct ppq_dnnl_op {
    int n_threads;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t fixed[MAX_FIXED];
    int n_fixed;
    float src_scale, dst_scale, *wei_scale;
    int32_t src_zero, dst_zero, wei_zero;
};

struct ppq_dnnl_call {
    const ppq_dnnl_op *op;
    dnnl_stream_t stream;
    dnnl_exec_arg_t args[MAX_ARGS];
    int n; // the first op->n_fixed are borrowed from it
};

static ppq_status status_of(dnnl_status_t s)
{
    return s == dnnl_success         ? PPQ_OK
           : s == dnnl_out_of_memory ? PPQ_ERR_NOMEM
                                     : PPQ_ERR_UNSUPPORTED;
}

// ---- the library ---------------------------------------------------------------------------

const char *ppq_dnnl_version(void)
{
#define TEXT(x)       #x
#define DOTS(a, b, c) TEXT(a) "." TEXT(b) "." TEXT(c)
    return DOTS(DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR, DNNL_VERSION_PATCH);
#undef DOTS
#undef TEXT
}

bool ppq_dnnl_exact_u8s8(void)
{
    const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    bool saturates = isa == dnnl_cpu_isa_sse41 || isa == dnnl_cpu_isa_avx ||
                     isa == dnnl_cpu_isa_avx2 || isa == dnnl_cpu_isa_avx512_core;
#if !V3
    saturates |= isa == dnnl_cpu_isa_avx512_mic || isa == dnnl_cpu_isa_avx512_mic_4ops;
#endif
    return !saturates;
}

bool ppq_dnnl_cap_isa(ppq_dnnl_isa isa)
{
    static const dnnl_cpu_isa_t isas[] = {
        [PPQ_DNNL_ISA_SSE41] = dnnl_cpu_isa_sse41,
        [PPQ_DNNL_ISA_AVX2] = dnnl_cpu_isa_avx2,
        [PPQ_DNNL_ISA_AVX512] = dnnl_cpu_isa_avx512_core,
        [PPQ_DNNL_ISA_VNNI] = dnnl_cpu_isa_avx512_core_vnni,
    };
    // The same cap again is no error.
    return dnnl_set_max_cpu_isa(isas[isa]) == dnnl_success;
}

const char *ppq_dnnl_isa_name(void)
{
    switch ((int) dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
        return "sse4.1";
    case dnnl_cpu_isa_avx:
        return "avx";
    case dnnl_cpu_isa_avx2:
        return "avx2";
    case dnnl_cpu_isa_avx2_vnni:
        return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core:
        return "avx512";
    case dnnl_cpu_isa_avx512_core_vnni:
        return "avx512_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
        return "avx512_bf16";
    default:
        return "avx512_bf16 or newer";
    }
}

void ppq_dnnl_set_threads(int n)
{
#if OMP
    omp_set_num_threads(n);
#else
    (void) n;
#endif
}

int ppq_dnnl_get_threads(void)
{
#if OMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

#if OMP

typedef struct team {
    int64_t n;
    void (*fn)(void *user, int64_t i, int worker);
    void *user;
} team;

static void work(void *data)
{
    const team *t = data;
    const int worker = omp_get_thread_num(), step = omp_get_num_threads();
    for (int64_t i = worker; i < t->n; i += step)
        t->fn(t->user, i, worker);
}

#endif

void ppq_dnnl_parallel(int n_threads, int64_t n, void (*fn)(void *user, int64_t i, int worker),
                       void *user)
{
#if OMP
    const int64_t wanted = PPQ_MIN((int64_t) n_threads, n);
    if (wanted > 1) {
        team t = { n, fn, user };
        GOMP_parallel(work, &t, (unsigned) wanted, 0);
        return;
    }
#else
    (void) n_threads;
#endif
    for (int64_t i = 0; i < n; i++)
        fn(user, i, 0);
}

static dnnl_data_type_t type_of(ppq_dtype dt)
{
    switch ((int) dt) {
    case PPQ_DT_F32:
        return dnnl_f32;
    case PPQ_DT_F16:
        return dnnl_f16;
    case PPQ_DT_BF16:
        return dnnl_bf16;
    case PPQ_DT_I32:
        return dnnl_s32;
    case PPQ_DT_I8:
        return dnnl_s8;
    case PPQ_DT_U8:
        return dnnl_u8;
    default:
        return dnnl_data_type_undef;
    }
}

static int arg_of(int arg)
{
    static const int args[] = {
        [PPQ_DNNL_SRC] = DNNL_ARG_SRC,         [PPQ_DNNL_SRC_1] = DNNL_ARG_SRC_1,
        [PPQ_DNNL_WEIGHTS] = DNNL_ARG_WEIGHTS, [PPQ_DNNL_BIAS] = DNNL_ARG_BIAS,
        [PPQ_DNNL_DST] = DNNL_ARG_DST,         [PPQ_DNNL_SCALE] = DNNL_ARG_SCALE,
        [PPQ_DNNL_SHIFT] = DNNL_ARG_SHIFT,     [PPQ_DNNL_SCRATCH] = DNNL_ARG_SCRATCHPAD,
    };
    if (arg >= PPQ_DNNL_POST)
        return DNNL_ARG_ATTR_MULTIPLE_POST_OP(arg - PPQ_DNNL_POST) | DNNL_ARG_SRC_1;
    return args[arg];
}

// ---- memory descriptors --------------------------------------------------------------------

// A descriptor of the library's, by value in 2.x and by handle in 3.x.
typedef struct desc {
    dnnl_memory_desc_t d;
    bool valid;
} desc;

#if V3
typedef const_dnnl_memory_desc_t desc_ref;
#else
typedef const dnnl_memory_desc_t *desc_ref;
#endif

static desc_ref ref(const desc *m)
{
#if V3
    return m->valid ? m->d : NULL;
#else
    return m->valid ? &m->d : NULL;
#endif
}

static void desc_fini(desc *m)
{
#if V3
    if (m->valid)
        dnnl_memory_desc_destroy(m->d);
#endif
    m->valid = false;
}

static dnnl_status_t desc_copy(desc *m, desc_ref from)
{
    if (!from)
        return dnnl_invalid_arguments;
#if V3
    const dnnl_status_t st = dnnl_memory_desc_clone(&m->d, from);
    m->valid = st == dnnl_success;
    return st;
#else
    m->d = *from;
    m->valid = true;
    return dnnl_success;
#endif
}

static desc_ref chosen(const ppq_dnnl_op *op, int arg)
{
    return dnnl_primitive_desc_query_md(op->pd, dnnl_query_exec_arg_md, arg_of(arg));
}

static dnnl_status_t desc_strided(desc *m, const ppq_dnnl_md *md)
{
    const dnnl_data_type_t dt = type_of(md->dtype);
    if (dt == dnnl_data_type_undef || md->rank < 1 || md->rank > PPQ_DNNL_DIMS)
        return dnnl_unimplemented;
#if V3
    const dnnl_status_t st =
        md->format == PPQ_DNNL_ANY
            ? dnnl_memory_desc_create_with_tag(&m->d, md->rank, md->dim, dt, dnnl_format_tag_any)
            : dnnl_memory_desc_create_with_strides(&m->d, md->rank, md->dim, dt, md->stride);
#else
    const dnnl_status_t st =
        md->format == PPQ_DNNL_ANY
            ? dnnl_memory_desc_init_by_tag(&m->d, md->rank, md->dim, dt, dnnl_format_tag_any)
            : dnnl_memory_desc_init_by_strides(&m->d, md->rank, md->dim, dt, md->stride);
#endif
    m->valid = st == dnnl_success;
    return st;
}

// *m stays invalid, and that is success, when there is no such operand.
static dnnl_status_t desc_init(desc *m, const ppq_dnnl_md *md)
{
    *m = (desc){ .valid = false };
    if (md->format == PPQ_DNNL_LIKE)
        return desc_copy(m, chosen(md->like, md->like_arg));
    return md->dtype == PPQ_DT_NONE ? dnnl_success : desc_strided(m, md);
}

ppq_dnnl_md ppq_dnnl_md_of(ppq_dtype dt, const ppq_shape *s, ppq_layout layout)
{
    ppq_dnnl_md md = { .dtype = dt, .rank = PPQ_MAX(s->rank, 1), .dim = { 1 }, .stride = { 1 } };
    int64_t step = 1;
    if (layout == PPQ_LAYOUT_CHANNELS_LAST && s->rank >= 3) {
        md.stride[1] = 1;
        step = s->dim[1];
    }
    for (int i = s->rank - 1; i >= 0; i--) {
        md.dim[i] = s->dim[i];
        if (i == 1 && layout == PPQ_LAYOUT_CHANNELS_LAST && s->rank >= 3)
            continue;
        md.stride[i] = step;
        step *= s->dim[i];
    }
    return md;
}

ppq_dnnl_md ppq_dnnl_md_any(const ppq_dnnl_md *like)
{
    ppq_dnnl_md md = *like;
    md.format = PPQ_DNNL_ANY;
    return md;
}

ppq_dnnl_md ppq_dnnl_md_like(const ppq_dnnl_op *op, int arg)
{
    return (ppq_dnnl_md){ .format = PPQ_DNNL_LIKE, .like = op, .like_arg = arg };
}

size_t ppq_dnnl_arg_bytes(const ppq_dnnl_op *op, int arg)
{
    const desc_ref m = chosen(op, arg);
    return m ? dnnl_memory_desc_get_size(m) : 0;
}

size_t ppq_dnnl_scratch_bytes(const ppq_dnnl_op *op)
{
    const desc_ref m = dnnl_primitive_desc_query_md(op->pd, dnnl_query_scratchpad_md, 0);
    return m ? dnnl_memory_desc_get_size(m) : 0;
}

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

// Which dimension of the weights has one scale per index; -1 where the weights have none.
typedef enum scale_dim { SCALE_NONE, SCALE_FIRST, SCALE_GROUPED, SCALE_LAST } scale_dim;

#if V3
static int scale_mask(scale_dim dim, int64_t n, int rank)
{
    return n == 1 || dim == SCALE_NONE ? 0
           : dim == SCALE_LAST         ? 1 << (rank - 1)
           : dim == SCALE_GROUPED      ? 3
                                       : 1;
}
#else
static int scale_mask(scale_dim dim, int64_t n, int rank) // 2.x: of the output
{
    return n == 1 || dim == SCALE_NONE ? 0 : dim == SCALE_LAST ? 1 << (rank - 1) : 2;
}
#endif

// 2.x runs post-ops in units of the output's scale when all of them commute with it (then
// *unit = 1 / dst_scale) and in real units otherwise.
static float post_unit(const ppq_dnnl_attr *a)
{
    if (V3 || !a->quant)
        return 1;
    for (int i = 0; i < a->n_post; i++) {
        const ppq_dnnl_post *p = &a->post[i];
        if (p->kind == PPQ_DNNL_POST_BINARY || (p->kind == PPQ_DNNL_POST_ELTWISE &&
                                                p->alg != PPQ_DNNL_RELU && p->alg != PPQ_DNNL_CLIP))
            return 1;
    }
    return 1 / a->quant->dst_scale;
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops, const ppq_dnnl_post *p, float unit)
{
    const dnnl_data_type_t dt = type_of(p->dtype);
#if V3
    return dnnl_post_ops_append_sum(ops, p->scale * unit, p->zero, dt);
#else
    return dnnl_post_ops_append_sum_v3(ops, p->scale * unit, p->zero, dt);
#endif
}

static dnnl_status_t append_eltwise(dnnl_post_ops_t ops, ppq_dnnl_alg alg, float a, float b)
{
#if V3
    // hardswish is x * clip(a * x + b, 0, 1) with free a and b there.
    if (alg == PPQ_DNNL_HARD_SWISH) {
        a = 1.0f / 6;
        b = 0.5f;
    }
    return dnnl_post_ops_append_eltwise(ops, algorithm(alg), a, b);
#else
    return dnnl_post_ops_append_eltwise(ops, 1.0f, algorithm(alg), a, b);
#endif
}

static dnnl_status_t append_binary(dnnl_post_ops_t ops, const ppq_dnnl_post *p)
{
    desc m;
    dnnl_status_t st = desc_init(&m, &p->md);
    if (st == dnnl_success)
        st = dnnl_post_ops_append_binary(ops, algorithm(p->alg), ref(&m));
    desc_fini(&m);
    return st;
}

static dnnl_status_t append_post(dnnl_post_ops_t ops, const ppq_dnnl_post *p, float unit)
{
    switch (p->kind) {
    case PPQ_DNNL_POST_SUM:
        return append_sum(ops, p, unit);
    case PPQ_DNNL_POST_ELTWISE: {
        const float u = p->alg == PPQ_DNNL_CLIP ? unit : 1;
        return append_eltwise(ops, p->alg, p->alpha * u, p->beta * u);
    }
    case PPQ_DNNL_POST_BINARY:
        return append_binary(ops, p);
    }
    return dnnl_invalid_arguments;
}

static dnnl_status_t set_post(dnnl_primitive_attr_t attr, const ppq_dnnl_attr *a)
{
    const float unit = post_unit(a);
    const bool rescale = !V3 && a->quant && unit == 1 && a->quant->dst_scale != 1;
    if (!a->n_post && !rescale)
        return dnnl_success;
    dnnl_post_ops_t ops;
    dnnl_status_t st = dnnl_post_ops_create(&ops);
    if (st != dnnl_success)
        return st;
    for (int i = 0; st == dnnl_success && i < a->n_post; i++)
        st = append_post(ops, &a->post[i], unit);
    if (st == dnnl_success && rescale)
        st = append_eltwise(ops, PPQ_DNNL_LINEAR, 1 / a->quant->dst_scale, 0);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_post_ops(attr, ops);
    dnnl_post_ops_destroy(ops);
    return st;
}

#if V3

static dnnl_status_t set_quant(dnnl_primitive_attr_t attr, const ppq_dnnl_quant *q, scale_dim dim,
                               int rank)
{
    const int mask = scale_mask(dim, q->n_wei_scale, rank);
    dnnl_status_t st = dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_SRC, 0);
    if (st == dnnl_success && dim != SCALE_NONE)
        st = dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_WEIGHTS, mask);
    if (st == dnnl_success && q->dst_scale != 1)
        st = dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_DST, 0);
    if (st == dnnl_success && q->src_zero)
        st = dnnl_primitive_attr_set_zero_points_mask(attr, DNNL_ARG_SRC, 0);
    if (st == dnnl_success && q->dst_zero)
        st = dnnl_primitive_attr_set_zero_points_mask(attr, DNNL_ARG_DST, 0);
    if (st == dnnl_success && q->wei_zero)
        st = dnnl_primitive_attr_set_zero_points_mask(attr, DNNL_ARG_WEIGHTS, 0);
    return st;
}

static dnnl_status_t fix_arg(ppq_dnnl_op *op, int arg, dnnl_data_type_t dt, int64_t n, void *data)
{
    const dnnl_dims_t dims = { n }, strides = { 1 };
    dnnl_memory_desc_t m;
    dnnl_status_t st = dnnl_memory_desc_create_with_strides(&m, 1, dims, dt, strides);
    if (st != dnnl_success)
        return st;
    dnnl_memory_t mem;
    st = dnnl_memory_create(&mem, m, op->engine, data);
    dnnl_memory_desc_destroy(m);
    if (st == dnnl_success)
        op->fixed[op->n_fixed++] = (dnnl_exec_arg_t){ arg, mem };
    return st;
}

static dnnl_status_t fix_quant(ppq_dnnl_op *op, const ppq_dnnl_quant *q, scale_dim dim)
{
    op->src_scale = q->src_scale;
    op->dst_scale = q->dst_scale;
    op->src_zero = q->src_zero;
    op->dst_zero = q->dst_zero;
    op->wei_zero = q->wei_zero;
    const int scales = DNNL_ARG_ATTR_SCALES, zeros = DNNL_ARG_ATTR_ZERO_POINTS;
    dnnl_status_t st = fix_arg(op, scales | DNNL_ARG_SRC, dnnl_f32, 1, &op->src_scale);
    if (st == dnnl_success && q->dst_scale != 1)
        st = fix_arg(op, scales | DNNL_ARG_DST, dnnl_f32, 1, &op->dst_scale);
    if (st == dnnl_success && dim != SCALE_NONE) {
        const size_t bytes = (size_t) q->n_wei_scale * sizeof(float);
        op->wei_scale = malloc(bytes);
        if (!op->wei_scale)
            return dnnl_out_of_memory;
        memcpy(op->wei_scale, q->wei_scale, bytes);
        st = fix_arg(op, scales | DNNL_ARG_WEIGHTS, dnnl_f32, q->n_wei_scale, op->wei_scale);
    }
    if (st == dnnl_success && q->src_zero)
        st = fix_arg(op, zeros | DNNL_ARG_SRC, dnnl_s32, 1, &op->src_zero);
    if (st == dnnl_success && q->dst_zero)
        st = fix_arg(op, zeros | DNNL_ARG_DST, dnnl_s32, 1, &op->dst_zero);
    if (st == dnnl_success && q->wei_zero)
        st = fix_arg(op, zeros | DNNL_ARG_WEIGHTS, dnnl_s32, 1, &op->wei_zero);
    return st;
}

#else

static dnnl_status_t set_quant(dnnl_primitive_attr_t attr, const ppq_dnnl_quant *q, scale_dim dim,
                               int rank, float unit)
{
    const int64_t n = dim == SCALE_NONE ? 1 : q->n_wei_scale;
    float *scale = malloc((size_t) n * sizeof(float));
    if (!scale)
        return dnnl_out_of_memory;
    for (int64_t i = 0; i < n; i++)
        scale[i] = q->src_scale * (dim == SCALE_NONE ? 1 : q->wei_scale[i]) * unit;
    dnnl_status_t st =
        dnnl_primitive_attr_set_output_scales(attr, n, scale_mask(dim, n, rank), scale);
    free(scale);
    if (st == dnnl_success && q->src_zero)
        st = dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_SRC, 1, 0, &q->src_zero);
    if (st == dnnl_success && q->dst_zero)
        st = dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_DST, 1, 0, &q->dst_zero);
    if (st == dnnl_success && q->wei_zero)
        st = dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_WEIGHTS, 1, 0, &q->wei_zero);
    return st;
}

#endif

void ppq_dnnl_bias(const ppq_dnnl_quant *q, const float *bias, int64_t n, float *out)
{
    // 2.x adds the bias to the sum, before the scales.
    for (int64_t i = 0; i < n; i++)
        out[i] = V3 || !q ? bias[i]
                          : bias[i] / (q->src_scale * q->wei_scale[q->n_wei_scale == 1 ? 0 : i]);
}

// ---- creation ------------------------------------------------------------------------------

// What all constructors share: the operation, its attributes, its descriptors.
typedef struct maker {
    ppq_dnnl_op *op;
    dnnl_primitive_attr_t attr;
    desc src, weights, bias, dst;
    const ppq_dnnl_quant *quant;
    scale_dim dim;
    bool allow_reference;
} maker;

static dnnl_status_t maker_init(maker *k, const ppq_dnnl_operands *m, const ppq_dnnl_attr *a,
                                scale_dim dim)
{
    static const ppq_dnnl_attr none = { .quant = NULL };
    a = a ? a : &none;
    *k = (maker){ .op = calloc(1, sizeof(*k->op)), .quant = a->quant, .dim = dim };
    if (!k->op)
        return dnnl_out_of_memory;
    k->op->n_threads = ppq_dnnl_get_threads();
    const ppq_dnnl_md *md[] = { &m->src, &m->weights, &m->bias, &m->dst };
    desc *to[] = { &k->src, &k->weights, &k->bias, &k->dst };
    dnnl_status_t st = dnnl_engine_create(&k->op->engine, dnnl_cpu, 0);
    for (size_t i = 0; st == dnnl_success && i < PPQ_COUNT(md); i++)
        st = desc_init(to[i], md[i]);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_create(&k->attr);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_scratchpad_mode(k->attr, dnnl_scratchpad_mode_user);
#if V3
    if (st == dnnl_success && a->quant)
        st = set_quant(k->attr, a->quant, dim, m->dst.rank);
#else
    if (st == dnnl_success && a->quant)
        st = set_quant(k->attr, a->quant, dim, m->dst.rank, post_unit(a));
#endif
    return st == dnnl_success ? set_post(k->attr, a) : st;
}

static bool is_reference(const ppq_dnnl_op *op)
{
    return strstr(ppq_dnnl_impl(op), "ref") != NULL;
}

// Turns the primitive descriptor, made with status `st`, into the operation; frees the rest.
static ppq_status maker_finish(maker *k, dnnl_status_t st, ppq_dnnl_op **out)
{
    ppq_dnnl_op *op = k->op;
    if (st == dnnl_success && !k->allow_reference && is_reference(op))
        st = dnnl_unimplemented;
#if V3
    if (st == dnnl_success && k->quant)
        st = fix_quant(op, k->quant, k->dim);
#endif
    if (st == dnnl_success)
        st = dnnl_primitive_create(&op->primitive, op->pd);
    if (k->attr)
        dnnl_primitive_attr_destroy(k->attr);
    desc_fini(&k->src);
    desc_fini(&k->weights);
    desc_fini(&k->bias);
    desc_fini(&k->dst);
    if (st == dnnl_success)
        *out = op;
    else
        ppq_dnnl_op_destroy(op);
    return status_of(st);
}

void ppq_dnnl_op_destroy(ppq_dnnl_op *op)
{
    if (!op)
        return;
    for (int i = 0; i < op->n_fixed; i++)
        dnnl_memory_destroy(op->fixed[i].memory);
    if (op->primitive)
        dnnl_primitive_destroy(op->primitive);
    if (op->pd)
        dnnl_primitive_desc_destroy(op->pd);
    if (op->engine)
        dnnl_engine_destroy(op->engine);
    free(op->wei_scale);
    free(op);
}

const char *ppq_dnnl_impl(const ppq_dnnl_op *op)
{
    const char *s = "";
    return dnnl_primitive_desc_query(op->pd, dnnl_query_impl_info_str, 0, (void *) &s) ==
                   dnnl_success
               ? s
               : "";
}

// The library counts a dense kernel as dilation 0.
static void dense_dilation(const ppq_dnnl_window *w, dnnl_dims_t out)
{
    for (int i = 0; i < PPQ_DNNL_DIMS; i++)
        out[i] = i < w->n ? w->dilation[i] - 1 : 0;
}

#if !V3
static dnnl_status_t describe(maker *k, const void *op_desc)
{
    return dnnl_primitive_desc_create(&k->op->pd, op_desc, k->attr, k->op->engine, NULL);
}
#endif

static dnnl_status_t make_conv(maker *k, const ppq_dnnl_window *w)
{
    dnnl_dims_t dilation;
    dense_dilation(w, dilation);
#if V3
    return dnnl_convolution_forward_primitive_desc_create(
        &k->op->pd, k->op->engine, dnnl_forward_inference, dnnl_convolution_direct, ref(&k->src),
        ref(&k->weights), ref(&k->bias), ref(&k->dst), w->stride, dilation, w->pad_lo, w->pad_hi,
        k->attr);
#else
    dnnl_convolution_desc_t d;
    const dnnl_status_t st = dnnl_dilated_convolution_forward_desc_init(
        &d, dnnl_forward_inference, dnnl_convolution_direct, ref(&k->src), ref(&k->weights),
        ref(&k->bias), ref(&k->dst), w->stride, dilation, w->pad_lo, w->pad_hi);
    return st == dnnl_success ? describe(k, &d) : st;
#endif
}

static dnnl_status_t make_deconv(maker *k, const ppq_dnnl_window *w)
{
    dnnl_dims_t dilation;
    dense_dilation(w, dilation);
#if V3
    return dnnl_deconvolution_forward_primitive_desc_create(
        &k->op->pd, k->op->engine, dnnl_forward_inference, dnnl_deconvolution_direct, ref(&k->src),
        ref(&k->weights), ref(&k->bias), ref(&k->dst), w->stride, dilation, w->pad_lo, w->pad_hi,
        k->attr);
#else
    dnnl_deconvolution_desc_t d;
    const dnnl_status_t st = dnnl_dilated_deconvolution_forward_desc_init(
        &d, dnnl_forward_inference, dnnl_deconvolution_direct, ref(&k->src), ref(&k->weights),
        ref(&k->bias), ref(&k->dst), w->stride, dilation, w->pad_lo, w->pad_hi);
    return st == dnnl_success ? describe(k, &d) : st;
#endif
}

ppq_status ppq_dnnl_conv(const ppq_dnnl_operands *m, const ppq_dnnl_window *w, bool grouped,
                         bool transposed, const ppq_dnnl_attr *attr, ppq_dnnl_op **out)
{
    maker k;
    dnnl_status_t st = maker_init(&k, m, attr, grouped ? SCALE_GROUPED : SCALE_FIRST);
    if (st == dnnl_success)
        st = transposed ? make_deconv(&k, w) : make_conv(&k, w);
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_matmul(const ppq_dnnl_operands *m, const ppq_dnnl_attr *attr, ppq_dnnl_op **out)
{
    maker k;
    dnnl_status_t st = maker_init(&k, m, attr, SCALE_LAST);
    if (st == dnnl_success) {
#if V3
        st = dnnl_matmul_primitive_desc_create(&k.op->pd, k.op->engine, ref(&k.src),
                                               ref(&k.weights), ref(&k.bias), ref(&k.dst), k.attr);
#else
        dnnl_matmul_desc_t d;
        st = dnnl_matmul_desc_init(&d, ref(&k.src), ref(&k.weights), ref(&k.bias), ref(&k.dst));
        if (st == dnnl_success)
            st = describe(&k, &d);
#endif
    }
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_inner_product(const ppq_dnnl_operands *m, const ppq_dnnl_attr *attr,
                                  ppq_dnnl_op **out)
{
    maker k;
    dnnl_status_t st = maker_init(&k, m, attr, SCALE_FIRST);
    if (st == dnnl_success) {
#if V3
        st = dnnl_inner_product_forward_primitive_desc_create(
            &k.op->pd, k.op->engine, dnnl_forward_inference, ref(&k.src), ref(&k.weights),
            ref(&k.bias), ref(&k.dst), k.attr);
#else
        dnnl_inner_product_desc_t d;
        st = dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, ref(&k.src),
                                                  ref(&k.weights), ref(&k.bias), ref(&k.dst));
        if (st == dnnl_success)
            st = describe(&k, &d);
#endif
    }
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_pool(ppq_dnnl_pool_kind kind, const ppq_dnnl_md *src, const ppq_dnnl_md *dst,
                         const ppq_dnnl_window *w, ppq_dnnl_op **out)
{
    const dnnl_alg_kind_t alg = kind == PPQ_DNNL_POOL_MAX   ? dnnl_pooling_max
                                : kind == PPQ_DNNL_POOL_AVG ? dnnl_pooling_avg_exclude_padding
                                                            : dnnl_pooling_avg_include_padding;
    maker k;
    dnnl_dims_t dilation;
    dense_dilation(w, dilation);
    dnnl_status_t st =
        maker_init(&k, &(ppq_dnnl_operands){ .src = *src, .dst = *dst }, NULL, SCALE_NONE);
    if (st == dnnl_success) {
#if V3
        st = dnnl_pooling_forward_primitive_desc_create(
            &k.op->pd, k.op->engine, dnnl_forward_inference, alg, ref(&k.src), ref(&k.dst),
            w->stride, w->kernel, dilation, w->pad_lo, w->pad_hi, k.attr);
#else
        dnnl_pooling_v2_desc_t d;
        st = dnnl_pooling_v2_forward_desc_init(&d, dnnl_forward_inference, alg, ref(&k.src),
                                               ref(&k.dst), w->stride, w->kernel, dilation,
                                               w->pad_lo, w->pad_hi);
        if (st == dnnl_success)
            st = describe(&k, &d);
#endif
    }
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_eltwise(ppq_dnnl_alg alg, float alpha, float beta, const ppq_dnnl_md *md,
                            ppq_dnnl_op **out)
{
    maker k;
    dnnl_status_t st =
        maker_init(&k, &(ppq_dnnl_operands){ .src = *md, .dst = *md }, NULL, SCALE_NONE);
    if (st == dnnl_success) {
#if V3
        if (alg == PPQ_DNNL_HARD_SWISH) {
            alpha = 1.0f / 6;
            beta = 0.5f;
        }
        st = dnnl_eltwise_forward_primitive_desc_create(
            &k.op->pd, k.op->engine, dnnl_forward_inference, algorithm(alg), ref(&k.src),
            ref(&k.dst), alpha, beta, k.attr);
#else
        dnnl_eltwise_desc_t d;
        st = dnnl_eltwise_forward_desc_init(&d, dnnl_forward_inference, algorithm(alg), ref(&k.src),
                                            alpha, beta);
        if (st == dnnl_success)
            st = describe(&k, &d);
#endif
    }
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_binary(ppq_dnnl_alg alg, const ppq_dnnl_md *a, const ppq_dnnl_md *b,
                           const ppq_dnnl_md *dst, const ppq_dnnl_attr *attr, ppq_dnnl_op **out)
{
    maker k;
    dnnl_status_t st = maker_init(&k, &(ppq_dnnl_operands){ .src = *a, .weights = *b, .dst = *dst },
                                  attr, SCALE_NONE);
    if (st == dnnl_success) {
#if V3
        st = dnnl_binary_primitive_desc_create(&k.op->pd, k.op->engine, algorithm(alg), ref(&k.src),
                                               ref(&k.weights), ref(&k.dst), k.attr);
#else
        dnnl_binary_desc_t d;
        st = dnnl_binary_desc_init(&d, algorithm(alg), ref(&k.src), ref(&k.weights), ref(&k.dst));
        if (st == dnnl_success)
            st = describe(&k, &d);
#endif
    }
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_softmax(const ppq_dnnl_md *md, int axis, bool log, ppq_dnnl_op **out)
{
    const dnnl_alg_kind_t alg = log ? dnnl_softmax_log : dnnl_softmax_accurate;
    maker k;
    dnnl_status_t st =
        maker_init(&k, &(ppq_dnnl_operands){ .src = *md, .dst = *md }, NULL, SCALE_NONE);
    if (st == dnnl_success) {
#if V3
        st = dnnl_softmax_forward_primitive_desc_create(&k.op->pd, k.op->engine,
                                                        dnnl_forward_inference, alg, ref(&k.src),
                                                        ref(&k.dst), axis, k.attr);
#else
        dnnl_softmax_v2_desc_t d;
        st = dnnl_softmax_v2_forward_desc_init(&d, dnnl_forward_inference, alg, ref(&k.src),
                                               ref(&k.dst), axis);
        if (st == dnnl_success)
            st = describe(&k, &d);
#endif
    }
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_layer_norm(const ppq_dnnl_md *md, float epsilon, ppq_dnnl_op **out)
{
    const unsigned flags = (unsigned) dnnl_use_scale | (unsigned) dnnl_use_shift;
    maker k;
    dnnl_status_t st =
        maker_init(&k, &(ppq_dnnl_operands){ .src = *md, .dst = *md }, NULL, SCALE_NONE);
    if (st == dnnl_success) {
#if V3
        st = dnnl_layer_normalization_forward_primitive_desc_create(
            &k.op->pd, k.op->engine, dnnl_forward_inference, ref(&k.src), ref(&k.dst), NULL,
            epsilon, flags, k.attr);
#else
        dnnl_layer_normalization_desc_t d;
        st = dnnl_layer_normalization_forward_desc_init(&d, dnnl_forward_inference, ref(&k.src),
                                                        NULL, epsilon, flags);
        if (st == dnnl_success)
            st = describe(&k, &d);
#endif
    }
    return maker_finish(&k, st, out);
}

ppq_status ppq_dnnl_reorder(const ppq_dnnl_md *src, const ppq_dnnl_md *dst, const ppq_dnnl_quant *q,
                            ppq_dnnl_op **out)
{
    ppq_dnnl_quant scaled = q ? *q : (ppq_dnnl_quant){ .src_scale = 1, .dst_scale = 1 };
#if !V3
    // The only scale of 2.x, through set_quant.
    scaled.src_scale /= scaled.dst_scale;
    scaled.dst_scale = 1;
#endif
    const ppq_dnnl_attr attr = { .quant = q ? &scaled : NULL };
    maker k;
    dnnl_status_t st =
        maker_init(&k, &(ppq_dnnl_operands){ .src = *src, .dst = *dst }, &attr, SCALE_NONE);
    k.allow_reference = true; // made rarely, and there is no other way
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(&k.op->pd, ref(&k.src), k.op->engine, ref(&k.dst),
                                                k.op->engine, k.attr);
    return maker_finish(&k, st, out);
}

// ---- running -------------------------------------------------------------------------------

ppq_status ppq_dnnl_call_create(const ppq_dnnl_op *op, ppq_dnnl_call **out)
{
    ppq_dnnl_call *call = calloc(1, sizeof(*call));
    if (!call)
        return PPQ_ERR_NOMEM;
    const dnnl_status_t st =
        dnnl_stream_create(&call->stream, op->engine, dnnl_stream_default_flags);
    if (st != dnnl_success) {
        free(call);
        return status_of(st);
    }
    call->op = op;
    call->n = op->n_fixed;
    memcpy(call->args, op->fixed, sizeof(op->fixed));
    *out = call;
    return PPQ_OK;
}

ppq_status ppq_dnnl_call_set(ppq_dnnl_call *call, int arg, void *data)
{
    const int id = arg_of(arg);
    for (int i = call->op->n_fixed; i < call->n; i++)
        if (call->args[i].arg == id)
            return status_of(dnnl_memory_set_data_handle(call->args[i].memory, data));
    desc_ref m = arg == PPQ_DNNL_SCRATCH
                     ? dnnl_primitive_desc_query_md(call->op->pd, dnnl_query_scratchpad_md, 0)
                     : chosen(call->op, arg);
    assert(m && call->n < MAX_ARGS);
    dnnl_memory_t memory;
    TRY(dnnl_memory_create(&memory, m, call->op->engine, data));
    call->args[call->n++] = (dnnl_exec_arg_t){ id, memory };
    return PPQ_OK;
}

ppq_status ppq_dnnl_call_run(ppq_dnnl_call *call)
{
    const int before = ppq_dnnl_get_threads(), wanted = call->op->n_threads;
    if (before != wanted)
        ppq_dnnl_set_threads(wanted);
    dnnl_status_t st =
        dnnl_primitive_execute(call->op->primitive, call->stream, call->n, call->args);
    if (st == dnnl_success)
        st = dnnl_stream_wait(call->stream);
    if (before != wanted)
        ppq_dnnl_set_threads(before);
    return status_of(st);
}

void ppq_dnnl_call_destroy(ppq_dnnl_call *call)
{
    if (!call)
        return;
    for (int i = call->op->n_fixed; i < call->n; i++)
        dnnl_memory_destroy(call->args[i].memory);
    dnnl_stream_destroy(call->stream);
    free(call);
}

static ppq_status run_reorder(const ppq_dnnl_op *op, void *src, void *dst)
{
    ppq_tensor scratch = { 0 };
    const size_t bytes = ppq_dnnl_scratch_bytes(op);
    const ppq_shape s = ppq_shape_1d((int64_t) bytes);
    ppq_dnnl_call *call;
    PPQ_TRY(ppq_dnnl_call_create(op, &call));
    ppq_status st = ppq_dnnl_call_set(call, PPQ_DNNL_SRC, src);
    if (st == PPQ_OK)
        st = ppq_dnnl_call_set(call, PPQ_DNNL_DST, dst);
    // Weights that carry compensations need scratch, and 2.x does not check that it is there.
    if (st == PPQ_OK && bytes)
        st = ppq_tensor_alloc(&scratch, PPQ_DT_U8, &s);
    if (st == PPQ_OK && bytes)
        st = ppq_dnnl_call_set(call, PPQ_DNNL_SCRATCH, ppq_tensor_data(&scratch));
    if (st == PPQ_OK)
        st = ppq_dnnl_call_run(call);
    ppq_dnnl_call_destroy(call);
    ppq_tensor_unref(&scratch);
    return st;
}

static bool same_layout(const ppq_dnnl_op *op, int arg, const ppq_dnnl_md *md)
{
    desc m;
    const bool same = desc_init(&m, md) == dnnl_success && m.valid &&
                      dnnl_memory_desc_equal(ref(&m), chosen(op, arg));
    desc_fini(&m);
    return same;
}

ppq_status ppq_dnnl_pack(const ppq_dnnl_op *op, int arg, const ppq_dnnl_md *md, const ppq_tensor *t,
                         ppq_tensor *out)
{
    if (same_layout(op, arg, md)) {
        *out = ppq_tensor_ref(t);
        return PPQ_OK;
    }
    const ppq_shape s = ppq_shape_1d((int64_t) ppq_dnnl_arg_bytes(op, arg));
    const ppq_dnnl_md to = ppq_dnnl_md_like(op, arg);
    ppq_dnnl_op *reorder;
    ppq_tensor packed;
    PPQ_TRY(ppq_dnnl_reorder(md, &to, NULL, &reorder));
    ppq_status st = ppq_tensor_alloc(&packed, PPQ_DT_U8, &s);
    if (st == PPQ_OK) {
        st = run_reorder(reorder, ppq_tensor_data(t), ppq_tensor_data(&packed));
        if (st == PPQ_OK)
            *out = packed;
        else
            ppq_tensor_unref(&packed);
    }
    ppq_dnnl_op_destroy(reorder);
    return st;
}
