#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "executor/ops/convert.h"
#include "executor/ops/heads.h"
#include "executor/ops/real.h"

// Causal attention of a decoder: several query heads share one of keys and values, new keys follow
// those of a cache at a place of each batch's own, and positions may be rotated in.

enum { Q, K, V, PAST_K, PAST_V, LENGTHS, TOTAL, COSINES, SINES, POSITIONS, ATTENTION_BIAS, SINK };
enum { Y, PRESENT_K, PRESENT_V };

typedef struct geometry {
    int64_t batch, heads, kv_heads, steps, size; // negative: not known
    int64_t cache, present;                      // keys that there is room for, before and after
    bool packed;                                 // keys and values follow the queries in Q
} geometry;

static ppq_status plan(const ppq_args *a, geometry *g)
{
    const ppq_op *op = ppq_args_op(a);
    const ppq_shape *q = ppq_args_shape(a, Q), *past = ppq_args_shape(a, PAST_K);
    const int64_t u = PPQ_DIM_UNKNOWN;
    *g = (geometry){ u,
                     ppq_op_attr_int(op, "num_heads", 1),
                     ppq_op_attr_int(op, "kv_num_heads", 1),
                     u,
                     u,
                     ppq_args_has(a, PAST_K) ? u : 0,
                     u,
                     !ppq_args_has(a, K) };
    if (g->heads < 1 || g->kv_heads < 1 || g->heads % g->kv_heads || g->heads > INT32_MAX)
        return ppq_args_fail(a, "%" PRId64 " query heads cannot share %" PRId64 " others", g->heads,
                             g->kv_heads);
    if ((q->rank >= 0 && q->rank != 3) || (past->rank >= 0 && past->rank != 4))
        return ppq_args_fail(a, "queries of rank %d and past keys of rank %d, expected 3 and 4",
                             q->rank, past->rank);
    if (q->rank == 3) {
        const int64_t heads = g->packed ? g->heads + 2 * g->kv_heads : g->heads;
        g->batch = q->dim[0];
        g->steps = q->dim[1];
        if (q->dim[2] >= 0 && q->dim[2] % heads)
            return ppq_args_fail(
                a, "queries have %" PRId64 " columns, which %" PRId64 " heads cannot share",
                q->dim[2], heads);
        g->size = q->dim[2] < 0 ? u : q->dim[2] / heads;
    }
    if (past->rank == 4)
        g->cache = past->dim[2];
    int64_t total = u, n;
    PPQ_TRY(ppq_args_ints(a, TOTAL, &total, 1, &n));
    if (n > 0 && (total < 0 || total > INT32_MAX))
        return ppq_args_fail(a, "total_sequence_length is %" PRId64, total);
    if (n > 0 && g->cache >= 0)
        g->present = PPQ_MAX(total, g->cache);
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    const ppq_dtype dt = c->in_dtype[Q];
    geometry g;
    PPQ_TRY(ppq_infer_floats(c, 1, 3));
    PPQ_TRY(plan(&a, &g));
    const ppq_shape y = { 3, { g.batch, g.steps, ppq_dim_mul(g.heads, g.size) } };
    const ppq_shape present = { 4, { g.batch, g.kv_heads, g.present, g.size } };
    PPQ_TRY(ppq_infer_out(c, Y, dt, &y));
    PPQ_TRY(ppq_infer_out(c, PRESENT_K, dt, &present));
    return ppq_infer_out(c, PRESENT_V, dt, &present);
}

static ppq_status check_inputs(const ppq_args *a, const geometry *g)
{
    const ppq_kernel_ctx *c = a->run;
    const ppq_shape kv = { 3, { g->batch, g->steps, g->kv_heads * g->size } };
    const ppq_shape past = { 4, { g->batch, g->kv_heads, g->cache, g->size } };
    PPQ_TRY(ppq_heads_check_floats(a, 1u << LENGTHS | 1u << TOTAL | 1u << POSITIONS));
    if (!g->packed && (!ppq_args_has(a, V) || !ppq_shape_equal(&c->in[K]->shape, &kv) ||
                       !ppq_shape_equal(&c->in[V]->shape, &kv)))
        return ppq_args_fail(a, "keys and values do not fit the queries");
    if (ppq_args_has(a, PAST_K) != ppq_args_has(a, PAST_V) ||
        (ppq_args_has(a, PAST_K) && (!ppq_shape_equal(&c->in[PAST_K]->shape, &past) ||
                                     !ppq_shape_equal(&c->in[PAST_V]->shape, &past))))
        return ppq_args_fail(a, "past keys and values do not fit the new ones");
    if (!ppq_args_has(a, LENGTHS) || !ppq_args_has(a, TOTAL) ||
        c->in[LENGTHS]->dtype != PPQ_DT_I32 || ppq_shape_numel(&c->in[LENGTHS]->shape) != g->batch)
        return ppq_args_fail(a, "seqlens_k is not one int32 for each of %" PRId64 " batches",
                             g->batch);
    return PPQ_OK;
}

static ppq_status check_options(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    bool more = false;
    for (int i = POSITIONS; i < c->op->n_in; i++)
        more |= i != ATTENTION_BIAS && c->in[i];
    static const char *const unsupported[] = { "smooth_softmax", "qk_output",
                                               "sliding_window_cache" };
    for (size_t i = 0; i < PPQ_COUNT(unsupported); i++)
        if (ppq_op_attr_int(c->op, unsupported[i], 0) > 0)
            return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "%s is not supported", unsupported[i]);
    if (more)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED,
                               "positions, sinks, quantized caches and norms are not supported");
    if (ppq_op_attr_int(c->op, "do_rotary", 0) &&
        (!ppq_args_has(&a, COSINES) || !ppq_args_has(&a, SINES)))
        return ppq_args_fail(&a, "do_rotary needs cosines and sines");
    return PPQ_OK;
}

// Keys of batch b in all, and how many were there before.
static ppq_status lengths(const ppq_args *a, const geometry *g, int64_t b, int64_t *total,
                          int64_t *past)
{
    ppq_load_i64(a->run->in[LENGTHS], b, 1, total);
    ++*total;
    // A first prompt may be shorter than its batch: what is behind it is padding.
    *past = PPQ_MAX(*total - g->steps, 0);
    if (*total < 0 || *past > g->cache || *past + g->steps > g->present)
        return ppq_args_fail(a,
                             "seqlens_k says %" PRId64 " keys, but there is room for %" PRId64
                             " old and %" PRId64 " in all",
                             *total, g->cache, g->present);
    return PPQ_OK;
}

static ppq_status rotate(ppq_kernel_ctx *c, ppq_tensor *t, int64_t b, int64_t row, int64_t steps,
                         int64_t past)
{
    const ppq_tensor *cosine = c->in[COSINES], *sine = c->in[SINES];
    const ppq_shape *s = &cosine->shape;
    const int64_t half = s->rank == 2 ? s->dim[1] : 0;
    const bool interleaved = ppq_op_attr_int(c->op, "rotary_interleaved", 0) != 0;
    if (s->rank != 2 || !ppq_shape_equal(s, &sine->shape) || 2 * half > t->shape.dim[3] ||
        past + steps > s->dim[0])
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "cosines and sines do not fit the heads");
    for (int64_t h = 0; h < t->shape.dim[1]; h++)
        for (int64_t i = 0; i < steps; i++)
            ppq_head_rotate(ppq_head_row(t, b, h, row + i), 2 * half,
                            ppq_f32(cosine) + (past + i) * half, ppq_f32(sine) + (past + i) * half,
                            interleaved);
    return PPQ_OK;
}

// Rows [row, row + steps) of a batch = columns of src.
static void fill_rows(const geometry *g, ppq_tensor *dst, int64_t b, int64_t row,
                      const ppq_tensor *src, int64_t column)
{
    const int64_t columns = src->shape.dim[2];
    for (int64_t h = 0; h < dst->shape.dim[1]; h++)
        for (int64_t i = 0; i < g->steps && g->size; i++)
            memcpy(ppq_head_row(dst, b, h, row + i),
                   ppq_f32(src) + (b * g->steps + i) * columns + column + h * g->size,
                   (size_t) g->size * sizeof(float));
}

static void fill_cache(const geometry *g, ppq_tensor *dst, int64_t b, const ppq_tensor *cache)
{
    const size_t bytes = (size_t) (g->cache * g->size) * sizeof(float);
    for (int64_t h = 0; h < g->kv_heads && bytes; h++)
        memcpy(ppq_head_row(dst, b, h, 0), ppq_head_row(cache, b, h, 0), bytes);
}

static void mask(const ppq_kernel_ctx *c, ppq_heads *h, int64_t b, int64_t past)
{
    const int64_t window = ppq_op_attr_int(c->op, "local_window_size", -1);
    const bool causal = ppq_op_attr_int(c->op, "causal", 1) != 0;
    for (int64_t n = 0; n < h->heads; n++)
        for (int64_t i = 0; i < h->steps; i++) {
            float *row = ppq_head_row(&h->mask, b, n, i);
            const int64_t end = causal ? past + i + 1 : past + h->steps;
            for (int64_t j = 0; j < h->total; j++)
                if (j >= end || (window > 0 && j < end - window))
                    row[j] = -INFINITY;
        }
}

static ppq_status fill_batch(ppq_kernel_ctx *c, const geometry *g, ppq_heads *h, int64_t b)
{
    const ppq_args a = ppq_args_run(c);
    const int64_t k_at = g->heads * g->size, v_at = k_at + g->kv_heads * g->size;
    int64_t total, past;
    PPQ_TRY(lengths(&a, g, b, &total, &past));
    if (ppq_args_has(&a, PAST_K)) {
        fill_cache(g, &h->k, b, c->in[PAST_K]);
        fill_cache(g, &h->v, b, c->in[PAST_V]);
    }
    fill_rows(g, &h->q, b, 0, c->in[Q], 0);
    fill_rows(g, &h->k, b, past, c->in[g->packed ? Q : K], g->packed ? k_at : 0);
    fill_rows(g, &h->v, b, past, c->in[g->packed ? Q : V], g->packed ? v_at : 0);
    if (ppq_op_attr_int(c->op, "do_rotary", 0)) {
        PPQ_TRY(rotate(c, &h->q, b, 0, g->steps, past));
        PPQ_TRY(rotate(c, &h->k, b, past, g->steps, past));
    }
    mask(c, h, b, past);
    return PPQ_OK;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    geometry g;
    PPQ_TRY(plan(&a, &g));
    PPQ_TRY(check_inputs(&a, &g));
    PPQ_TRY(check_options(c));
    ppq_heads h = { .batch = g.batch,
                    .heads = g.heads,
                    .kv_heads = g.kv_heads,
                    .steps = g.steps,
                    .total = g.present,
                    .size = g.size,
                    .v_size = g.size };
    PPQ_TRY(ppq_heads_open(c, &h));
    ppq_status st = PPQ_OK;
    for (int64_t b = 0; b < g.batch && st == PPQ_OK; b++)
        st = fill_batch(c, &g, &h, b);
    if (st == PPQ_OK)
        st = ppq_heads_finish(c, &h, ATTENTION_BIAS);
    ppq_heads_close(&h);
    return st;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_ms_group_query_attention = {
    .type = "GroupQueryAttention",
    .domain = "com.microsoft",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 16,
    .out_min = 1,
    .out_max = 3,
    .fp32_in = 0xfbf8, // all but queries, keys, values and the bias
    .fp32_out = 0x6,
    .infer = infer,
    .forward = forward,
};
