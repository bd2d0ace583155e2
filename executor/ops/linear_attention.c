#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "executor/ops/doubled.h"
#include "executor/ops/real.h"

// Attention without softmax: each head of keys and values has a state, a matrix to which every step
// adds the outer product of its key and value, and which the query multiplies. The state may decay
// (gated), and a value may be corrected by what the state yields for its key (delta).

enum { QUERY, KEY, VALUE, PAST, DECAY, BETA }; // inputs
enum { OUTPUT, PRESENT };                      // outputs
enum { GATED_DELTA, LINEAR, GATED, DELTA };    // rules

typedef struct geometry {
    int64_t heads, kv_heads, batch, steps; // negative: not known yet
    int64_t k_size, v_size;                // of a head
    int rule;
} geometry;

static bool is_gated(const geometry *g)
{
    return g->rule == GATED || g->rule == GATED_DELTA;
}

static bool is_delta(const geometry *g)
{
    return g->rule == DELTA || g->rule == GATED_DELTA;
}

// (batch, steps, heads * size)
static ppq_status split(const ppq_args *a, int slot, int64_t heads, geometry *g, int64_t *size)
{
    const ppq_shape *s = ppq_args_shape(a, slot);
    int64_t each = PPQ_DIM_UNKNOWN;
    if (s->rank < 0)
        return PPQ_OK;
    bool fits = s->rank == 3 && ppq_dim_merge(g->batch, s->dim[0], &g->batch) &&
                ppq_dim_merge(g->steps, s->dim[1], &g->steps);
    if (fits && s->dim[2] >= 0) {
        fits = s->dim[2] % heads == 0;
        each = s->dim[2] / heads;
    }
    char b[192];
    if (!fits || !ppq_dim_merge(*size, each, size))
        return ppq_args_fail(a,
                             "input %d of shape %s does not fit %" PRId64 " heads and the others",
                             slot, ppq_shape_str(s, b, sizeof(b)), heads);
    return PPQ_OK;
}

static ppq_status plan(const ppq_args *a, geometry *g)
{
    static const char *const rules[] = { "gated_delta", "linear", "gated", "delta", NULL };
    const int64_t u = PPQ_DIM_UNKNOWN;
    const ppq_op *op = ppq_args_op(a);
    *g = (geometry){
        ppq_op_attr_int(op, "q_num_heads", 1), ppq_op_attr_int(op, "kv_num_heads", 1), u, u, u, u, 0
    };
    PPQ_TRY(ppq_args_choice(a, "update_rule", rules, &g->rule));
    if (g->heads < 1 || g->kv_heads < 1 || g->heads % g->kv_heads)
        return ppq_args_fail(a, "%" PRId64 " query heads cannot share %" PRId64 " others", g->heads,
                             g->kv_heads);
    PPQ_TRY(split(a, QUERY, g->heads, g, &g->k_size));
    PPQ_TRY(split(a, KEY, g->kv_heads, g, &g->k_size));
    return split(a, VALUE, g->kv_heads, g, &g->v_size);
}

static ppq_shape state_shape(const geometry *g)
{
    return (ppq_shape){ 4, { g->batch, g->kv_heads, g->k_size, g->v_size } };
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    geometry g;
    PPQ_TRY(ppq_infer_floats(c, 3, 3));
    PPQ_TRY(plan(&a, &g));
    const ppq_shape y = { 3, { g.batch, g.steps, ppq_dim_mul(g.heads, g.v_size) } };
    const ppq_shape state = state_shape(&g);
    PPQ_TRY(ppq_infer_out(c, OUTPUT, c->in_dtype[QUERY], &y));
    return ppq_infer_out(c, PRESENT, c->in_dtype[ppq_args_has(&a, PAST) ? PAST : QUERY], &state);
}

static ppq_status check(const ppq_args *a, const geometry *g)
{
    const ppq_shape *past = ppq_args_shape(a, PAST), *decay = ppq_args_shape(a, DECAY),
                    *beta = ppq_args_shape(a, BETA);
    const ppq_shape state = state_shape(g);
    if (ppq_args_has(a, DECAY) != is_gated(g) || ppq_args_has(a, BETA) != is_delta(g))
        return ppq_args_fail(a, "decay belongs to the gated rules and beta to the delta rules");
    const bool fits =
        (past->rank < 0 || ppq_shape_equal(past, &state)) &&
        (decay->rank < 0 ||
         (decay->rank == 3 && decay->dim[0] == g->batch && decay->dim[1] == g->steps &&
          (decay->dim[2] == g->kv_heads || decay->dim[2] == g->kv_heads * g->k_size))) &&
        (beta->rank < 0 ||
         (beta->rank == 3 && beta->dim[0] == g->batch && beta->dim[1] == g->steps &&
          (beta->dim[2] == g->kv_heads || beta->dim[2] == 1)));
    return fits ? PPQ_OK : ppq_args_fail(a, "past state, decay or beta do not fit the others");
}

typedef struct work {
    const geometry *g;
    ppq_kernel_ctx *c;
    double scale;
    double *value; // [v_size] what a step adds
} work;

static const double *row(const work *w, int slot, int64_t b, int64_t t)
{
    const ppq_tensor *x = w->c->in[slot];
    return ppq_f64(x) + (b * w->g->steps + t) * x->shape.dim[2];
}

static void decay_state(const work *w, int64_t b, int64_t t, int64_t h, double *state)
{
    const geometry *g = w->g;
    const bool per_head = w->c->in[DECAY]->shape.dim[2] == g->kv_heads;
    const double *d = row(w, DECAY, b, t) + (per_head ? h : h * g->k_size);
    for (int64_t i = 0; i < g->k_size; i++) {
        const double factor = exp(d[per_head ? 0 : i]);
        for (int64_t k = 0; k < g->v_size; k++)
            state[i * g->v_size + k] *= factor;
    }
}

// value = beta * (value - state' key)
static void correct_value(const work *w, int64_t b, int64_t t, int64_t h, const double *state,
                          const double *key)
{
    const geometry *g = w->g;
    const double beta = row(w, BETA, b, t)[w->c->in[BETA]->shape.dim[2] == 1 ? 0 : h];
    for (int64_t k = 0; k < g->v_size; k++) {
        double found = 0;
        for (int64_t i = 0; i < g->k_size; i++)
            found += state[i * g->v_size + k] * key[i];
        w->value[k] = beta * (w->value[k] - found);
    }
}

static void read_state(const work *w, int64_t b, int64_t t, int64_t h, const double *state)
{
    const geometry *g = w->g;
    const int64_t shared = g->heads / g->kv_heads;
    for (int64_t q = h * shared; q < (h + 1) * shared; q++) {
        const double *query = row(w, QUERY, b, t) + q * g->k_size;
        double *y = ppq_f64(&w->c->out[OUTPUT]) + ((b * g->steps + t) * g->heads + q) * g->v_size;
        for (int64_t k = 0; k < g->v_size; k++) {
            double sum = 0;
            for (int64_t i = 0; i < g->k_size; i++)
                sum += query[i] * state[i * g->v_size + k];
            y[k] = w->scale * sum;
        }
    }
}

static void step(const work *w, int64_t b, int64_t t, int64_t h, double *state)
{
    const geometry *g = w->g;
    const double *key = row(w, KEY, b, t) + h * g->k_size;
    const double *value = row(w, VALUE, b, t) + h * g->v_size;
    for (int64_t k = 0; k < g->v_size; k++)
        w->value[k] = value[k];
    if (is_gated(g))
        decay_state(w, b, t, h, state);
    if (is_delta(g))
        correct_value(w, b, t, h, state, key);
    for (int64_t i = 0; i < g->k_size; i++)
        for (int64_t k = 0; k < g->v_size; k++)
            state[i * g->v_size + k] += key[i] * w->value[k];
    read_state(w, b, t, h, state);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    geometry g;
    PPQ_TRY(plan(&a, &g));
    PPQ_TRY(check(&a, &g));
    const double scale = (double) ppq_op_attr_float(c->op, "scale", 0);
    const int64_t size = g.k_size * g.v_size;
    const ppq_shape shape = state_shape(&g), one = ppq_shape_1d(g.v_size);
    ppq_tensor state, value;
    if (ppq_tensor_alloc_pool(&state, PPQ_DT_F64, &shape, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate the state");
    if (ppq_tensor_alloc_pool(&value, PPQ_DT_F64, &one, c->pool) != PPQ_OK) {
        ppq_tensor_unref(&state);
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate a value");
    }
    const work w = { &g, c, scale != 0 ? scale : 1 / sqrt((double) PPQ_MAX(g.k_size, 1)),
                     ppq_f64(&value) };
    for (int64_t i = 0; i < g.batch * g.kv_heads * size; i++)
        ppq_f64(&state)[i] = ppq_args_has(&a, PAST) ? ppq_f64(c->in[PAST])[i] : 0;
    for (int64_t b = 0; b < g.batch; b++)
        for (int64_t h = 0; h < g.kv_heads; h++)
            for (int64_t t = 0; t < g.steps; t++)
                step(&w, b, t, h, ppq_f64(&state) + (b * g.kv_heads + h) * size);
    if (c->op->n_out > PRESENT && ppq_tensor_bytes(&state))
        memcpy(ppq_f64(&c->out[PRESENT]), ppq_f64(&state), ppq_tensor_bytes(&state));
    ppq_tensor_unref(&value);
    ppq_tensor_unref(&state);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_doubled(c, run);
}

const ppq_op_def ppq_op_linear_attention = {
    .type = "LinearAttention",
    .domain = "",
    .opset_min = 27,
    .in_min = 3,
    .in_max = 6,
    .out_min = 1,
    .out_max = 2,
    .fp32_in = 0x38, // state, decay, beta
    .fp32_out = 0x2,
    .infer = infer,
    .forward = forward,
};
