#include <inttypes.h>
#include <math.h>

#include "executor/ops/convert.h"
#include "executor/ops/doubled.h"
#include "executor/ops/real.h"
#include "executor/subgraph.h"

// Y = prob_mod(softmax(score_mod(scale Q K'))) V for every head; both modifiers are graphs.
// Several query heads may share one head of keys and values.

enum { Q, K, V };

typedef struct geometry {
    int64_t batch, heads, kv_heads, steps, kv_steps, size, v_size; // negative: not known yet
} geometry;

static bool merge(const ppq_shape *s, int i, int64_t *dim)
{
    return s->rank < 0 || ppq_dim_merge(*dim, s->dim[i], dim);
}

static ppq_status plan(const ppq_args *a, geometry *g)
{
    const int64_t u = PPQ_DIM_UNKNOWN;
    const ppq_shape *q = ppq_args_shape(a, Q), *k = ppq_args_shape(a, K), *v = ppq_args_shape(a, V);
    *g = (geometry){ u, u, u, u, u, u, u };
    for (int i = Q; i <= V; i++)
        if (ppq_args_shape(a, i)->rank >= 0 && ppq_args_shape(a, i)->rank != 4)
            return ppq_args_fail(a, "input %d has rank %d, expected 4", i,
                                 ppq_args_shape(a, i)->rank);
    const bool fits = merge(q, 0, &g->batch) && merge(k, 0, &g->batch) && merge(v, 0, &g->batch) &&
                      merge(q, 1, &g->heads) && merge(k, 1, &g->kv_heads) &&
                      merge(v, 1, &g->kv_heads) && merge(q, 2, &g->steps) &&
                      merge(k, 2, &g->kv_steps) && merge(v, 2, &g->kv_steps) &&
                      merge(q, 3, &g->size) && merge(k, 3, &g->size) && merge(v, 3, &g->v_size);
    if (!fits)
        return ppq_args_fail(a, "the shapes of Q, K and V do not fit together");
    if (g->heads >= 0 && g->kv_heads >= 0 && (g->kv_heads == 0 || g->heads % g->kv_heads))
        return ppq_args_fail(a, "%" PRId64 " query heads cannot share %" PRId64 " others", g->heads,
                             g->kv_heads);
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    geometry g;
    PPQ_TRY(ppq_infer_floats(c, 3, 3));
    PPQ_TRY(plan(&a, &g));
    const ppq_shape y = { 4, { g.batch, g.heads, g.steps, g.v_size } };
    return ppq_infer_out(c, 0, c->in_dtype[Q], &y);
}

// Rows of head h of Q, or of the head of K or V that it uses.
static const double *head(const geometry *g, const ppq_tensor *x, int64_t b, int64_t h)
{
    const ppq_shape *s = &x->shape;
    if (s->dim[1] == g->kv_heads)
        h /= g->heads / g->kv_heads;
    return ppq_f64(x) + (b * s->dim[1] + h) * s->dim[2] * s->dim[3];
}

static void score_head(const geometry *g, const double *q, const double *k, double scale,
                       double *scores)
{
    for (int64_t i = 0; i < g->steps; i++)
        for (int64_t j = 0; j < g->kv_steps; j++) {
            double sum = 0;
            for (int64_t e = 0; e < g->size; e++)
                sum += q[i * g->size + e] * k[j * g->size + e];
            scores[i * g->kv_steps + j] = scale * sum;
        }
}

static void mix_head(const geometry *g, const double *p, const double *v, double *y)
{
    for (int64_t i = 0; i < g->steps; i++)
        for (int64_t e = 0; e < g->v_size; e++) {
            double sum = 0;
            for (int64_t j = 0; j < g->kv_steps; j++)
                sum += p[i * g->kv_steps + j] * v[j * g->v_size + e];
            y[i * g->v_size + e] = sum;
        }
}

// The graph `attr`, if there is one, on *t of type `dt`; *t itself is float64.
static ppq_status modify(ppq_kernel_ctx *c, const char *attr, ppq_dtype dt, ppq_tensor *t)
{
    const ppq_subgraph *graph;
    if (!ppq_op_attr(c->op, attr))
        return PPQ_OK;
    PPQ_TRY(ppq_subgraph_find(c, attr, &graph));
    if (ppq_subgraph_n_in(graph) != 1 || ppq_subgraph_n_out(graph) != 1)
        return ppq_kernel_fail(c, PPQ_ERR_MODEL, "%s must have one input and one output", attr);
    ppq_tensor in, out = { 0 };
    if (ppq_tensor_alloc_pool(&in, dt, &t->shape, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate the scores");
    ppq_convert(t, &in, PPQ_CONVERT_DEFAULT);
    ppq_status st = ppq_subgraph_run(c, graph, &in, &out);
    if (st == PPQ_OK && (out.dtype != dt || !ppq_shape_equal(&out.shape, &t->shape)))
        st =
            ppq_kernel_fail(c, PPQ_ERR_SHAPE, "%s changes type or shape of what it is given", attr);
    if (st == PPQ_OK)
        ppq_convert(&out, t, PPQ_CONVERT_DEFAULT);
    ppq_tensor_unref(&in);
    ppq_tensor_unref(&out);
    return st;
}

static ppq_status compute_type(ppq_kernel_ctx *c, ppq_dtype *out)
{
    const ppq_dtype natural = c->in[Q]->dtype == PPQ_DT_F64 ? PPQ_DT_F64 : PPQ_DT_F32;
    const int64_t dt = ppq_op_attr_int(c->op, "softmax_precision", natural);
    *out = dt > 0 && dt < PPQ_DT_ONNX_END ? (ppq_dtype) dt : PPQ_DT_NONE;
    if (!ppq_dtype_is_float(*out))
        return ppq_kernel_fail(c, PPQ_ERR_MODEL,
                               "softmax_precision is %" PRId64 ", which is no float type", dt);
    return PPQ_OK;
}

static void softmax(const geometry *g, double *x)
{
    for (int64_t r = 0; r < g->batch * g->heads * g->steps; r++, x += g->kv_steps) {
        double top = -HUGE_VAL, sum = 0;
        for (int64_t j = 0; j < g->kv_steps; j++)
            top = fmax(top, x[j]);
        for (int64_t j = 0; j < g->kv_steps; j++) {
            x[j] = exp(x[j] - top);
            sum += x[j];
        }
        for (int64_t j = 0; j < g->kv_steps; j++)
            x[j] /= sum;
    }
}

enum { Y = V + 1, SCORES, TENSORS };

// All in float64.
static ppq_status attend(ppq_kernel_ctx *c, const geometry *g, ppq_dtype dt, ppq_tensor *t)
{
    const double natural = 1 / sqrt((double) PPQ_MAX(g->size, 1));
    const double scale =
        ppq_op_attr(c->op, "scale") ? (double) ppq_op_attr_float(c->op, "scale", 1) : natural;
    const int64_t n = g->steps * g->kv_steps;
    for (int64_t b = 0; b < g->batch; b++)
        for (int64_t h = 0; h < g->heads; h++)
            score_head(g, head(g, &t[Q], b, h), head(g, &t[K], b, h), scale,
                       ppq_f64(&t[SCORES]) + (b * g->heads + h) * n);
    PPQ_TRY(modify(c, "score_mod", dt, &t[SCORES]));
    softmax(g, ppq_f64(&t[SCORES]));
    PPQ_TRY(modify(c, "prob_mod", dt, &t[SCORES]));
    for (int64_t b = 0; b < g->batch; b++)
        for (int64_t h = 0; h < g->heads; h++) {
            const int64_t at = b * g->heads + h;
            mix_head(g, ppq_f64(&t[SCORES]) + at * n, head(g, &t[V], b, h),
                     ppq_f64(&t[Y]) + at * g->steps * g->v_size);
        }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    geometry g;
    ppq_dtype dt;
    PPQ_TRY(plan(&a, &g));
    PPQ_TRY(compute_type(c, &dt));
    const ppq_shape scores = { 4, { g.batch, g.heads, g.steps, g.kv_steps } };
    const ppq_shape *shape[TENSORS] = { &c->in[Q]->shape, &c->in[K]->shape, &c->in[V]->shape,
                                        &c->out[0].shape, &scores };
    ppq_tensor t[TENSORS] = { { .dtype = PPQ_DT_NONE } };
    ppq_status st = PPQ_OK;
    for (int i = 0; i < TENSORS && st == PPQ_OK; i++)
        if (ppq_tensor_alloc_pool(&t[i], PPQ_DT_F64, shape[i], c->pool) != PPQ_OK)
            st = ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate float64 copies");
    for (int i = Q; i <= V && st == PPQ_OK; i++)
        ppq_convert(c->in[i], &t[i], PPQ_CONVERT_DEFAULT);
    if (st == PPQ_OK)
        st = attend(c, &g, dt, t);
    if (st == PPQ_OK)
        ppq_convert(&t[Y], &c->out[0], PPQ_CONVERT_DEFAULT);
    for (int i = 0; i < TENSORS; i++)
        ppq_tensor_unref(&t[i]);
    return st;
}

const ppq_op_def ppq_op_flex_attention = {
    .type = "FlexAttention",
    .domain = "ai.onnx.preview",
    .opset_min = 1,
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_RANDOM, // a graph may hold anything
    .infer = infer,
    .forward = forward,
};
