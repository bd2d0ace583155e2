#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ext.h"
#include "core/parallel.h"
#include "passes/rewrite.h"

// A scale that is a little wider than the largest weight needs makes sums right in every runtime,
// also where pairs of products are added in 16 bits, for a fraction of a bit of the weights.

// Rounding two weights adds 1 at most.
static const float most = PPQ_PAIR_MOST - 1;

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
    const ppq_tensor *w = t ? ppq_const_f32(j->g->ops[i], 1) : NULL;
    ppq_weight_sums x;
    if (!w || !ppq_weight_sums_of(j->g->ops[i], &w->shape, &x) || (t->n != 1 && t->n != x.outs))
        return;
    float *top = malloc((size_t) x.outs * sizeof(*top));
    if (!top)
        abort();
    ppq_weight_pairs(&x, ppq_f32(w), top);
    memcpy(scale, t->scale, t->n * sizeof(*scale));
    for (int64_t o = 0; o < x.outs; o++) {
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
