#include <inttypes.h>

#include "executor/ops/heads.h"
#include "executor/ops/real.h"

// Attention of projected queries, keys and values. Keys and values of rank 4 come from another
// sequence and are complete.

enum { Q, K, V, BIAS, MASK, ATTENTION_BIAS, PAST_K, PAST_V, N_PAST };
enum { Y, PRESENT_K, PRESENT_V };

typedef struct geometry {
    int64_t batch, heads, steps, past, kv_steps, width, v_width; // negative: not known
    bool crossed;
} geometry;

static bool merge(const ppq_shape *s, int i, int64_t *dim)
{
    return s->rank < 0 || ppq_dim_merge(*dim, s->dim[i], dim);
}

static ppq_status plan(const ppq_args *a, geometry *g)
{
    const ppq_shape *q = ppq_args_shape(a, Q), *k = ppq_args_shape(a, K), *v = ppq_args_shape(a, V),
                    *past = ppq_args_shape(a, PAST_K);
    const int64_t u = PPQ_DIM_UNKNOWN;
    *g = (geometry){ u, ppq_op_attr_int(ppq_args_op(a), "num_heads", 1),
                     u, ppq_args_has(a, PAST_K) ? u : 0,
                     u, u,
                     u, k->rank == 4 };
    if (g->heads < 1)
        return ppq_args_fail(a, "num_heads is %" PRId64 ", expected at least 1", g->heads);
    if ((q->rank >= 0 && q->rank != 3) || (k->rank >= 0 && k->rank != 3 && k->rank != 4) ||
        (v->rank >= 0 && k->rank >= 0 && v->rank != k->rank) ||
        (past->rank >= 0 && past->rank != 4))
        return ppq_args_fail(a, "queries, keys and values of rank %d, %d and %d are not supported",
                             q->rank, k->rank, v->rank);
    bool fits = merge(q, 0, &g->batch) && merge(q, 1, &g->steps) && merge(q, 2, &g->width) &&
                merge(k, 0, &g->batch) && merge(v, 0, &g->batch);
    if (g->crossed) {
        fits = fits && merge(k, 2, &g->kv_steps) && merge(v, 2, &g->kv_steps) && k->rank == 4 &&
               (v->rank < 0 || v->rank == 4);
        if (fits && k->dim[1] >= 0 && k->dim[3] >= 0)
            fits = k->dim[1] == g->heads &&
                   ppq_dim_merge(g->width, ppq_dim_mul(g->heads, k->dim[3]), &g->width);
        if (fits && v->rank == 4 && v->dim[1] >= 0) {
            fits = v->dim[1] == g->heads;
            g->v_width = ppq_dim_mul(g->heads, v->dim[3]);
        }
    } else {
        fits = fits && merge(k, 1, &g->kv_steps) && merge(k, 2, &g->width) &&
               (v->rank < 0 || v->rank == 3) && merge(v, 1, &g->kv_steps) &&
               merge(v, 2, &g->v_width);
    }
    if (past->rank == 4) {
        g->past = past->dim[2];
        fits = fits && merge(past, 0, &g->batch) && (past->dim[1] < 0 || past->dim[1] == g->heads);
    }
    if (!fits || (g->width >= 0 && g->width % g->heads) ||
        (g->v_width >= 0 && g->v_width % g->heads))
        return ppq_args_fail(
            a, "queries, keys and values do not fit each other and %" PRId64 " heads", g->heads);
    return PPQ_OK;
}

static int64_t each(const geometry *g, int64_t width)
{
    return width < 0 ? width : width / g->heads;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    const ppq_dtype dt = c->in_dtype[Q];
    geometry g;
    PPQ_TRY(ppq_infer_floats(c, 1, 3));
    PPQ_TRY(plan(&a, &g));
    const int64_t total = ppq_dim_add(g.past, g.kv_steps);
    const ppq_shape y = { 3, { g.batch, g.steps, g.v_width } };
    const ppq_shape k = { 4, { g.batch, g.heads, total, each(&g, g.width) } };
    const ppq_shape v = { 4, { g.batch, g.heads, total, each(&g, g.v_width) } };
    PPQ_TRY(ppq_infer_out(c, Y, dt, &y));
    PPQ_TRY(ppq_infer_out(c, PRESENT_K, dt, &k));
    return ppq_infer_out(c, PRESENT_V, dt, &v);
}

static ppq_status check(const ppq_args *a, const geometry *g)
{
    if (!ppq_args_has(a, K) || !ppq_args_has(a, V) || ppq_args_has(a, N_PAST))
        return ppq_kernel_fail(a->run, PPQ_ERR_UNSUPPORTED,
                               "packed keys and values, and states in a shared buffer, are not "
                               "supported");
    PPQ_TRY(ppq_heads_check_floats(a, 1u << MASK));
    if (ppq_args_has(a, BIAS) &&
        ppq_shape_numel(ppq_args_shape(a, BIAS)) != 2 * g->width + g->v_width)
        return ppq_args_fail(a, "the bias has %" PRId64 " values, expected %" PRId64,
                             ppq_shape_numel(ppq_args_shape(a, BIAS)), 2 * g->width + g->v_width);
    if (ppq_args_has(a, PAST_K) != ppq_args_has(a, PAST_V) || (g->crossed && g->past))
        return ppq_args_fail(a, "past keys and values do not go together");
    if (!ppq_args_has(a, PAST_K))
        return PPQ_OK;
    const ppq_shape k = { 4, { g->batch, g->heads, g->past, g->width / g->heads } };
    const ppq_shape v = { 4, { g->batch, g->heads, g->past, g->v_width / g->heads } };
    if (!ppq_shape_equal(&k, ppq_args_shape(a, PAST_K)) ||
        !ppq_shape_equal(&v, ppq_args_shape(a, PAST_V)))
        return ppq_args_fail(a, "past keys and values do not fit the new ones");
    return PPQ_OK;
}

static void fill(const ppq_args *a, const geometry *g, ppq_heads *h)
{
    const ppq_kernel_ctx *c = a->run;
    const ppq_tensor *bias = ppq_args_value(a, BIAS);
    ppq_heads_fill(&h->q, 0, c->in[Q], 0, bias, 0);
    if (g->crossed) {
        ppq_heads_fill_past(&h->k, c->in[K], 0, g->kv_steps);
        ppq_heads_fill_past(&h->v, c->in[V], 0, g->kv_steps);
        return;
    }
    ppq_heads_fill(&h->k, g->past, c->in[K], 0, bias, g->width);
    ppq_heads_fill(&h->v, g->past, c->in[V], 0, bias, 2 * g->width);
    if (ppq_args_has(a, PAST_K)) {
        ppq_heads_fill_past(&h->k, c->in[PAST_K], 0, g->past);
        ppq_heads_fill_past(&h->v, c->in[PAST_V], 0, g->past);
    }
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    geometry g;
    PPQ_TRY(plan(&a, &g));
    PPQ_TRY(check(&a, &g));
    ppq_heads h = { .batch = g.batch,
                    .heads = g.heads,
                    .kv_heads = g.heads,
                    .steps = g.steps,
                    .past = g.past,
                    .total = g.past + g.kv_steps,
                    .size = g.width / g.heads,
                    .v_size = g.v_width / g.heads };
    PPQ_TRY(ppq_heads_open(c, &h));
    fill(&a, &g, &h);
    if (ppq_op_attr_int(c->op, "unidirectional", 0))
        ppq_heads_mask_causal(&h);
    ppq_status st = ppq_heads_mask_keys(c, &h, MASK);
    if (st == PPQ_OK)
        st = ppq_heads_finish(c, &h, ATTENTION_BIAS);
    ppq_heads_close(&h);
    return st;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_ms_multi_head_attention = {
    .type = "MultiHeadAttention",
    .domain = "com.microsoft",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 10,
    .out_min = 1,
    .out_max = 3,
    .fp32_in = 0x3d0, // mask, states
    .fp32_out = 0x6,
    .infer = infer,
    .forward = forward,
};
