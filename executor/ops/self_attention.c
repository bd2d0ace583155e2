#include "executor/ops/self_attention.h"

#include <inttypes.h>
#include <string.h>

enum { INPUT, WEIGHT };

typedef struct geometry {
    int64_t batch, steps, past, heads;
    int64_t width[3]; // of query, key and value: all heads
} geometry;

static ppq_status read_widths(const ppq_args *a, geometry *g)
{
    const ppq_shape *w = ppq_args_shape(a, WEIGHT);
    const int64_t *given, columns = w->rank == 2 ? w->dim[1] : PPQ_DIM_UNKNOWN;
    const size_t n = ppq_op_attr_ints(ppq_args_op(a), "qkv_hidden_sizes", &given);
    for (int i = 0; i < 3; i++)
        g->width[i] = n == 3 ? given[i] : columns < 0 ? columns : columns / 3;
    if (n != 0 && n != 3)
        return ppq_args_fail(a, "qkv_hidden_sizes has %zu values, expected 3", n);
    for (int i = 0; i < 3; i++)
        if (n && (given[i] < 0 || given[i] % g->heads))
            return ppq_args_fail(
                a, "a hidden size is %" PRId64 ", not a multiple of %" PRId64 " heads", given[i],
                g->heads);
    const int64_t sum = ppq_dim_add(ppq_dim_add(g->width[0], g->width[1]), g->width[2]);
    if (columns >= 0 && (sum != columns || columns % g->heads || g->width[0] != g->width[1] ||
                         g->width[0] % g->heads))
        return ppq_args_fail(
            a, "the weights have %" PRId64 " columns, which %" PRId64 " heads cannot share",
            columns, g->heads);
    return PPQ_OK;
}

static ppq_status plan(const ppq_args *a, const ppq_self_attention *s, geometry *g)
{
    const ppq_shape *x = ppq_args_shape(a, INPUT), *w = ppq_args_shape(a, WEIGHT),
                    *past = ppq_args_shape(a, s->past);
    const int64_t u = PPQ_DIM_UNKNOWN;
    *g = (geometry){ u,
                     u,
                     ppq_args_has(a, s->past) ? u : 0,
                     ppq_op_attr_int(ppq_args_op(a), "num_heads", 1),
                     { u, u, u } };
    if (g->heads < 1)
        return ppq_args_fail(a, "num_heads is %" PRId64 ", expected at least 1", g->heads);
    if ((x->rank >= 0 && x->rank != 3) || (w->rank >= 0 && w->rank != 2) ||
        (x->rank == 3 && w->rank == 2 && !ppq_dim_merge(x->dim[2], w->dim[0], &(int64_t){ 0 })))
        return ppq_args_fail(a, "input and weights cannot be multiplied");
    PPQ_TRY(read_widths(a, g));
    if (x->rank == 3) {
        g->batch = x->dim[0];
        g->steps = x->dim[1];
    }
    if (past->rank < 0)
        return PPQ_OK;
    const int64_t size = g->width[0] < 0 ? u : g->width[0] / g->heads;
    int64_t unused;
    if (past->rank != 5 || !ppq_dim_merge(past->dim[0], 2, &unused) ||
        !ppq_dim_merge(past->dim[1], g->batch, &unused) ||
        !ppq_dim_merge(past->dim[2], g->heads, &unused) ||
        !ppq_dim_merge(past->dim[4], size, &unused))
        return ppq_args_fail(a, "the past state does not fit the input");
    g->past = past->dim[3];
    return PPQ_OK;
}

ppq_status ppq_infer_self_attention(ppq_infer_ctx *c, const ppq_self_attention *s)
{
    const ppq_args a = ppq_args_infer(c);
    const ppq_dtype dt = ppq_args_dtype(&a, s->bias);
    geometry g;
    PPQ_TRY(plan(&a, s, &g));
    const ppq_dtype out = ppq_dtype_is_float(c->in_dtype[INPUT]) ? c->in_dtype[INPUT] : dt;
    const ppq_shape y = { 3, { g.batch, g.steps, g.width[2] } };
    const int64_t size = g.width[0] < 0 ? PPQ_DIM_UNKNOWN : g.width[0] / g.heads;
    const ppq_shape present = { 5, { 2, g.batch, g.heads, ppq_dim_add(g.past, g.steps), size } };
    PPQ_TRY(ppq_infer_out(c, 0, out, &y));
    return ppq_infer_out(c, 1, out, &present);
}

static ppq_status check(const ppq_args *a, const ppq_self_attention *s, const geometry *g)
{
    const ppq_kernel_ctx *c = a->run;
    const bool has_bias = ppq_args_has(a, s->bias), has_past = ppq_args_has(a, s->past);
    if (ppq_op_attr_int(c->op, "do_rotary", 0) ||
        ppq_op_attr_int(c->op, "past_present_share_buffer", 0))
        return ppq_kernel_fail(a->run, PPQ_ERR_UNSUPPORTED,
                               "do_rotary and past_present_share_buffer are not supported");
    if (has_bias &&
        (c->in[s->bias]->dtype != PPQ_DT_F32 ||
         ppq_shape_numel(&c->in[s->bias]->shape) != g->width[0] + g->width[1] + g->width[2]))
        return ppq_args_fail(a, "the bias does not fit the weights");
    if ((has_past || c->op->n_out > 1) && g->width[0] != g->width[2])
        return ppq_args_fail(a, "keys and values of different sizes have no common state");
    if (has_past && c->in[s->past]->dtype != PPQ_DT_F32)
        return ppq_args_fail(a, "the past state is %s, expected float32",
                             ppq_dtype_name(c->in[s->past]->dtype));
    return PPQ_OK;
}

static void fill(ppq_kernel_ctx *c, const ppq_self_attention *s, const geometry *g, ppq_heads *h,
                 const ppq_tensor *product)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *bias = ppq_args_value(&a, s->bias), *past = ppq_args_value(&a, s->past);
    const int64_t k = g->width[0], v = k + g->width[1];
    ppq_heads_fill(&h->q, 0, product, 0, bias, 0);
    ppq_heads_fill(&h->k, g->past, product, k, bias, k);
    ppq_heads_fill(&h->v, g->past, product, v, bias, v);
    if (past) {
        ppq_heads_fill_past(&h->k, past, 0, g->past);
        ppq_heads_fill_past(&h->v, past, ppq_shape_numel(&past->shape) / 2, g->past);
    }
}

ppq_status ppq_run_self_attention(ppq_kernel_ctx *c, const ppq_self_attention *s,
                                  const ppq_tensor *product)
{
    const ppq_args a = ppq_args_run(c);
    geometry g;
    PPQ_TRY(plan(&a, s, &g));
    PPQ_TRY(check(&a, s, &g));
    ppq_heads h = { .batch = g.batch,
                    .heads = g.heads,
                    .kv_heads = g.heads,
                    .steps = g.steps,
                    .past = g.past,
                    .total = g.past + g.steps,
                    .size = g.width[0] / g.heads,
                    .v_size = g.width[2] / g.heads };
    PPQ_TRY(ppq_heads_open(c, &h));
    fill(c, s, &g, &h, product);
    if (ppq_op_attr_int(c->op, "unidirectional", 0))
        ppq_heads_mask_causal(&h);
    ppq_status st = ppq_heads_mask_keys(c, &h, s->mask);
    if (st == PPQ_OK && s->attention_bias >= 0)
        st = ppq_heads_add_bias(c, &h, s->attention_bias);
    if (st == PPQ_OK)
        st = ppq_heads_run(c, &h);
    if (st == PPQ_OK && c->op->n_out > 1 && ppq_tensor_bytes(&h.k)) {
        const size_t bytes = ppq_tensor_bytes(&h.k);
        memcpy(ppq_f32(&c->out[1]), ppq_f32(&h.k), bytes);
        memcpy((char *) ppq_tensor_data(&c->out[1]) + bytes, ppq_f32(&h.v), bytes);
    }
    ppq_heads_close(&h);
    return st;
}
