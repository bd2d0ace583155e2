#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ext.h"
#include "core/parallel.h"
#include "passes/rewrite.h"

// CPUs with 8-bit products but without VNNI add them in pairs, in 16 bits that saturate: two
// weights whose sum exceeds 128 in magnitude can meet two inputs of 255 and give a wrong sum. A
// scale that is a little wider makes all sums right, in every runtime, for a fraction of a bit of
// the weights.
//
// Runtimes pair neighbours of what is summed: input channels at one position of the window, or,
// where positions follow each other without padding and channels are odd in number, across
// positions. Depthwise convolutions sum in 32 bits.

// Twice the rounding error of one weight is 1, so pairs that stay below this stay within 128.
static const float most = 127;

// A weight as groups x outs x ins x taps, with the distances between elements.
typedef struct view {
    const float *w;
    int64_t groups, outs, ins, taps;
    int64_t group_step, out_step, in_step, tap_step;
} view;

static bool view_of(const ppq_op *op, view *v)
{
    const ppq_tensor *t = ppq_const_f32(op, 1);
    if (!t)
        return false;
    const ppq_shape *s = &t->shape;
    const ppq_weight_axis x = ppq_weight_axis_of(op, s);
    if (x.axis < 0 || x.group < 1 || ppq_shape_numel(s) == 0)
        return false;
    int64_t taps = 1;
    for (int i = 2; i < s->rank; i++)
        taps *= s->dim[i];
    *v = (view){ .w = ppq_f32(t), .groups = 1, .taps = taps, .tap_step = 1 };
    v->outs = s->dim[x.axis];
    v->ins = s->dim[1 - x.axis];
    v->out_step = x.axis == 0 ? v->ins * taps : taps;
    v->in_step = x.axis == 0 ? taps : v->outs * taps;
    // Groups of a transposed convolution share the channels of its weight's second axis.
    if (ppq_op_is(op, "ConvTranspose")) {
        v->groups = x.group;
        v->ins /= x.group;
        v->group_step = v->ins * v->in_step;
    }
    return !(v->ins == 1 && x.group == x.channels);
}

static float at(const view *v, const float *w, int64_t k)
{
    return w[k / v->ins * v->tap_step + k % v->ins * v->in_step];
}

// The largest sum of a pair that one output channel of one group has.
static float largest_pair(const view *v, const float *w)
{
    float top = 0;
    for (int64_t i = 0; i + 1 < v->ins; i += 2)
        for (int64_t t = 0; t < v->taps; t++) {
            const float *p = w + i * v->in_step + t * v->tap_step;
            top = fmaxf(top, fabsf(p[0] + p[v->in_step]));
        }
    for (int64_t k = 0; v->ins % 2 && k + 1 < v->ins * v->taps; k += 2)
        top = fmaxf(top, fabsf(at(v, w, k) + at(v, w, k + 1)));
    return top;
}

// The same of all output channels of a matrix, whose rows are inputs, in the order of memory.
static void largest_in_columns(const view *v, float *restrict top)
{
    for (int64_t i = 0; i + 1 < v->ins; i += 2) {
        const float *restrict p = v->w + i * v->in_step, *restrict q = p + v->in_step;
        for (int64_t o = 0; o < v->outs; o++) {
            const float sum = fabsf(p[o] + q[o]);
            top[o] = sum > top[o] ? sum : top[o];
        }
    }
}

// Of every output channel.
static void largest_pairs(const view *v, float *top)
{
    memset(top, 0, (size_t) v->outs * sizeof(*top));
    if (v->out_step == 1 && v->taps == 1 && v->groups == 1) {
        largest_in_columns(v, top);
        return;
    }
    for (int64_t g = 0; g < v->groups; g++)
        for (int64_t o = 0; o < v->outs; o++)
            top[o] = fmaxf(top[o], largest_pair(v, v->w + g * v->group_step + o * v->out_step));
}

// ---- all of them ----------------------------------------------------------------------------

typedef struct job {
    const ppq_graph *g;
    float **scale; // per op: [n] wider ones; NULL where nothing changes
    uint32_t *n;
} job;

static ppq_tqc *weight_tqc(const ppq_op *op)
{
    const uint32_t linear = PPQ_Q_LINEAR | PPQ_Q_SYMMETRIC;
    ppq_tqc *t = op->place == PPQ_PLACE_QUANT && op->tqc_in && op->n_in > 1 ? op->tqc_in[1] : NULL;
    return t && t->parent == t && t->state == PPQ_QS_ACTIVATED && t->fmt.bits == 8 &&
                   (t->fmt.props & linear) == linear && !(t->fmt.props & PPQ_Q_POW2)
               ? t
               : NULL;
}

static void widen(void *user, int64_t i, int worker)
{
    (void) worker;
    const job *j = user;
    const ppq_tqc *t = weight_tqc(j->g->ops[i]);
    float *scale = j->scale[i];
    view v;
    if (!t || !view_of(j->g->ops[i], &v) || (t->n != 1 && t->n != v.outs))
        return;
    float *top = malloc((size_t) v.outs * sizeof(*top));
    if (!top)
        abort();
    largest_pairs(&v, top);
    memcpy(scale, t->scale, t->n * sizeof(*scale));
    for (int64_t o = 0; o < v.outs; o++) {
        float *s = &scale[t->n == 1 ? 0 : o];
        *s = fmaxf(*s, top[o] / most);
    }
    free(top);
    j->n[i] = t->n;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_graph *g = env->graph;
    const job j = { g, ppq_new_n(env->scratch, float *, g->n_ops + 1),
                    ppq_new_n(env->scratch, uint32_t, g->n_ops + 1) };
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_tqc *t = weight_tqc(g->ops[i]);
        j.scale[i] = t ? ppq_new_n(env->scratch, float, t->n) : NULL;
    }
    ppq_parallel_for(env->n_threads, (int64_t) g->n_ops, widen, (void *) (uintptr_t) &j);
    for (size_t i = 0; i < g->n_ops; i++)
        if (j.n[i]) {
            ppq_tqc *t = weight_tqc(g->ops[i]);
            PPQ_TRY(ppq_tqc_set_params(t, g->arena, t->n, j.scale[i], t->offset, env->diag));
        }
    return PPQ_OK;
}

const ppq_pass ppq_pass_avoid_saturation = {
    .name = "avoid-saturation",
    .summary = "widen weight scales until CPUs without VNNI sum products right",
    .needs = PPQ_FACT_TQC | PPQ_FACT_CALIB_W,
    .run = run,
};
