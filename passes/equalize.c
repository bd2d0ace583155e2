#include <math.h>
#include <stdlib.h>

#include "passes/rewrite.h"

// Cross-layer equalization (M. Nagel et al., ICCV 2019): two layers with nothing but a positively
// homogeneous op between them, f(k x) = k f(x) for k > 0, compute the same when a channel is
// divided by k in the first and multiplied by k in the second. k = sqrt(r1 / r2) gives both the
// same range, so no channel is lost beside a much larger one.

typedef struct options {
    int iterations;
    double excess, limit;
} options;

static const options defaults = { .iterations = 10, .excess = 8, .limit = 10 };
static const ppq_opt opts[] = {
    { "iterations", "most rounds over all pairs of layers", PPQ_OPT_INT,
      offsetof(options, iterations), 1, 1000, NULL },
    { "excess", "channels this many times above the median one shrink", PPQ_OPT_FLOAT,
      offsetof(options, excess), 1, 1e6, NULL },
    { "limit", "most a channel shrinks in one round", PPQ_OPT_FLOAT, offsetof(options, limit), 1,
      1e6, NULL },
    { 0 },
};

typedef struct pair {
    ppq_op *first, *second;
} pair;

static bool layer(const ppq_op *op)
{
    if (!op || op->place != PPQ_PLACE_QUANT ||
        !(ppq_op_is(op, "Conv") || (ppq_op_is(op, "Gemm") && !ppq_op_attr_int(op, "transA", 0))))
        return false;
    const ppq_tensor *w = ppq_const_f32(op, 1);
    return w && op->in[1]->n_uses == 1 && ppq_weight_axis_of(op, &w->shape).axis >= 0 &&
           (op->n_in < 3 || !op->in[2] || (ppq_const_f32(op, 2) && op->in[2]->n_uses == 1));
}

static bool homogeneous(const ppq_op *op)
{
    static const char *const types[] = { "Relu",          "LeakyRelu",   "PRelu",
                                         "MaxPool",       "AveragePool", "GlobalAveragePool",
                                         "GlobalMaxPool", "Flatten" };
    for (size_t i = 0; i < PPQ_COUNT(types); i++)
        if (ppq_op_is(op, types[i]))
            return i != 2 || (op->n_in > 1 && ppq_var_is_const(op->in[1]));
    return false;
}

static int64_t out_channels(const ppq_op *op)
{
    return ppq_weight_axis_of(op, &op->in[1]->shape).channels;
}

static int64_t in_channels(const ppq_op *op)
{
    const ppq_shape *w = &op->in[1]->shape;
    if (ppq_op_is(op, "Conv"))
        return w->dim[1] * ppq_op_attr_int(op, "group", 1);
    return w->dim[ppq_op_attr_int(op, "transB", 0) ? 1 : 0];
}

// The layer that alone reads `op`, through homogeneous ops that alone read each other.
static ppq_op *partner(ppq_op *op)
{
    ppq_op *next = ppq_only_reader(op->out[0]);
    for (int depth = 0; next && depth < 4 && homogeneous(next) && next->n_out == 1; depth++)
        next = next->in[0] && next->in[0]->producer.op ? ppq_only_reader(next->out[0]) : NULL;
    return layer(next) && next->in[0]->producer.op && in_channels(next) == out_channels(op) ? next
                                                                                            : NULL;
}

// Some elements in a row: all of one channel (step 0), or each of the next one (step 1).
typedef void (*visit)(float *w, int64_t n, int64_t channel, int64_t step, float *by_channel);

// Walks a weight and tells the output (or input) channel of its elements.
static void walk(ppq_op *op, bool outputs, visit fn, float *by_channel)
{
    ppq_tensor *t = &op->in[1]->value;
    float *w = ppq_f32(t);
    if (!ppq_op_is(op, "Conv")) {
        const bool rows = outputs == (ppq_op_attr_int(op, "transB", 0) != 0);
        const int64_t cols = t->shape.dim[1];
        for (int64_t i = 0; i < t->shape.dim[0]; i++, w += cols)
            fn(w, cols, rows ? i : 0, !rows, by_channel);
        return;
    }
    const int64_t n = t->shape.dim[0], per = t->shape.dim[1];
    const int64_t group = PPQ_MAX(ppq_op_attr_int(op, "group", 1), 1);
    const int64_t outs = PPQ_MAX(n / group, 1);
    const int64_t taps = n && per ? ppq_shape_numel(&t->shape) / (n * per) : 0;
    for (int64_t o = 0; o < n; o++, w += per * taps) {
        const int64_t first = o / outs * per;
        if (outputs)
            fn(w, per * taps, o, 0, by_channel);
        else if (taps == 1)
            fn(w, per, first, 1, by_channel);
        for (int64_t c = 0; !outputs && taps > 1 && c < per; c++)
            fn(w + c * taps, taps, first + c, 0, by_channel);
    }
}

static void take_range(float *w, int64_t n, int64_t channel, int64_t step, float *range)
{
    for (int64_t i = 0; i < n; i++, channel += step) {
        const float x = fabsf(w[i]);
        range[channel] = range[channel] < x ? x : range[channel];
    }
}

static void scale_up(float *w, int64_t n, int64_t channel, int64_t step, float *k)
{
    for (int64_t i = 0; i < n; i++, channel += step)
        w[i] *= k[channel];
}

static void scale_down(float *w, int64_t n, int64_t channel, int64_t step, float *k)
{
    for (int64_t i = 0; i < n; i++, channel += step)
        w[i] /= k[channel];
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *) a, y = *(const float *) b;
    return (x > y) - (x < y);
}

// Only channels far above the usual one shrink: they alone decide the step of all others, and the
// second layer hardly uses them. Moving the rest would trade one layer's rounding for the other's.
static bool keep_excess(const options *o, float *k, int64_t n)
{
    float *sorted = malloc((size_t) n * sizeof(*sorted) + 1);
    if (!sorted)
        abort();
    memcpy(sorted, k, (size_t) n * sizeof(*sorted));
    qsort(sorted, (size_t) n, sizeof(*sorted), by_value);
    const float usual = n ? sorted[n / 2] : 1;
    bool any = false;
    for (int64_t c = 0; c < n; c++) {
        const float excess = k[c] / usual;
        const bool above = excess > (float) o->excess;
        k[c] = above ? fminf(excess, (float) o->limit) : 1;
        any |= above;
    }
    free(sorted);
    return any;
}

// Whether anything changed.
static bool equalize(const options *o, const pair *p, float *k)
{
    const int64_t n = out_channels(p->first);
    float *r1 = calloc((size_t) n + 1, sizeof(*r1)), *r2 = calloc((size_t) n + 1, sizeof(*r2));
    if (!r1 || !r2)
        abort();
    walk(p->first, true, take_range, r1);
    walk(p->second, false, take_range, r2);
    for (int64_t c = 0; c < n; c++)
        k[c] = r1[c] > 1e-12f && r2[c] > 1e-12f ? sqrtf(r1[c] / r2[c]) : 1;
    const bool change = keep_excess(o, k, n);
    if (change) {
        walk(p->first, true, scale_down, k);
        walk(p->second, false, scale_up, k);
    }
    if (change && p->first->n_in > 2 && p->first->in[2])
        for (int64_t c = 0; c < n; c++)
            ppq_f32(&p->first->in[2]->value)[c] /= k[c];
    free(r1);
    free(r2);
    return change;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    const options *o = params;
    ppq_graph *g = env->graph;
    pair *pairs = ppq_new_n(env->scratch, pair, g->n_ops + 1);
    size_t n = 0;
    int64_t widest = 0;
    for (size_t i = 0; i < g->n_ops; i++) {
        ppq_op *op = g->ops[i];
        ppq_op *second = layer(op) ? partner(op) : NULL;
        const int64_t channels = second ? out_channels(op) : 0;
        if (!second ||
            (op->n_in > 2 && op->in[2] && ppq_shape_numel(&op->in[2]->shape) != channels))
            continue;
        pairs[n++] = (pair){ op, second };
        widest = PPQ_MAX(widest, channels);
        ppq_op *const both[] = { op, second };
        for (int b = 0; b < 2; b++)
            for (int32_t k = 1; k < both[b]->n_in && k < 3; k++)
                if (both[b]->in[k])
                    PPQ_TRY(ppq_tensor_make_unique(&both[b]->in[k]->value));
    }
    float *k = ppq_new_n(env->scratch, float, (size_t) widest + 1);
    bool change = true;
    for (int round = 0; round < o->iterations && change; round++) {
        change = false;
        for (size_t i = 0; i < n; i++)
            change |= equalize(o, &pairs[i], k);
    }
    return PPQ_OK;
}

const ppq_pass ppq_pass_equalize = {
    .name = "equalize",
    .summary = "give the channels between two layers similar ranges",
    .needs = PPQ_FACT_PLACED,
    .opts = opts,
    .defaults = &defaults,
    .params_size = sizeof(defaults),
    .run = run,
};
