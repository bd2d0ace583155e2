#include "core/quantfn.h"
#include "core/settings.h"
#include "passes/rewrite.h"

// Ops whose inputs a backend reads with one scale: their tensors, and the outputs that feed them,
// take common parameters.

static bool alignable(const ppq_op *op, const ppq_tqc *t, int32_t k)
{
    return t && t->state != PPQ_QS_FP32 && ppq_op_in_plane(op, k) == PPQ_PLANE_DATA &&
           !ppq_var_is_const(op->in[k]) && ppq_tqc_n(t) == 1;
}

// Everybody who writes an input of `op`, and the inputs themselves, follow `master`.
static ppq_status follow_all(const ppq_pass_env *env, ppq_op *op, ppq_tqc *master)
{
    for (int32_t k = 0; k < op->n_in; k++) {
        ppq_tqc *t = op->tqc_in[k];
        if (!alignable(op, t, k))
            continue;
        const ppq_use p = op->in[k]->producer;
        if (t != master && ppq_tqc_root(t) != master)
            PPQ_TRY(ppq_tqc_follow(t, master, env->diag));
        ppq_tqc *up = p.op && p.op->place == PPQ_PLACE_QUANT ? p.op->tqc_out[p.slot] : NULL;
        if (up && up != master && ppq_tqc_root(up) != master && up->state != PPQ_QS_FP32 &&
            ppq_qfmt_equal(&up->fmt, &master->fmt))
            PPQ_TRY(ppq_tqc_follow(up, master, env->diag));
    }
    return PPQ_OK;
}

static ppq_status align_large(const ppq_pass_env *env, ppq_op *op)
{
    ppq_tqc *master = NULL;
    double min = 0, max = 0;
    for (int32_t k = 0; k < op->n_in; k++) {
        const ppq_tqc *t = op->tqc_in[k];
        if (!alignable(op, t, k))
            continue;
        const ppq_qparam p = ppq_tqc_param(t, 0);
        min = PPQ_MIN(min, (p.qmin - (double) p.offset) * (double) p.scale);
        max = PPQ_MAX(max, (p.qmax - (double) p.offset) * (double) p.scale);
        if (!master)
            master = op->tqc_in[k];
    }
    if (!master)
        return PPQ_OK;
    const double steps = master->fmt.qmax - master->fmt.qmin;
    const bool symmetric = master->fmt.props & PPQ_Q_SYMMETRIC;
    const float scale = (float) (symmetric ? 2 * PPQ_MAX(-min, max) / steps : (max - min) / steps);
    const float offset =
        symmetric
            ? 0
            : (float) (ppq_round(-min / (double) scale, PPQ_ROUND_HALF_EVEN) + master->fmt.qmin);
    PPQ_TRY(ppq_tqc_detach(master, env->graph->arena, 1, &scale, &offset, env->diag));
    return follow_all(env, op, master);
}

static ppq_status align(const ppq_pass_env *env, ppq_op *op, ppq_align how)
{
    switch (how) {
    case PPQ_ALIGN_NONE:
    case PPQ_ALIGN_COUNT:
        return PPQ_OK;
    case PPQ_ALIGN_LARGE:
        return align_large(env, op);
    case PPQ_ALIGN_OUTPUT: {
        ppq_tqc *out = op->tqc_out[0];
        if (!out || out->state == PPQ_QS_FP32 || ppq_tqc_n(out) != 1)
            return PPQ_OK;
        return follow_all(env, op, ppq_tqc_root(out));
    }
    case PPQ_ALIGN_INPUT: {
        ppq_tqc *in = op->tqc_in[0];
        if (!alignable(op, in, 0))
            return PPQ_OK;
        ppq_tqc *master = ppq_tqc_root(in);
        PPQ_TRY(follow_all(env, op, master));
        if (op->tqc_out[0] && op->tqc_out[0]->state != PPQ_QS_FP32 &&
            ppq_tqc_root(op->tqc_out[0]) != master)
            return ppq_tqc_follow(ppq_tqc_root(op->tqc_out[0]), master, env->diag);
        return PPQ_OK;
    }
    }
    return PPQ_OK;
}

static ppq_align rule_for(const ppq_pass_env *env, const ppq_op *op)
{
    const ppq_platform *p = env->platform;
    const ppq_settings *s = env->settings;
    if (ppq_op_has_trait(op, PPQ_OP_ELEMENTWISE))
        return s && s->align_elementwise >= 0 ? (ppq_align) s->align_elementwise : p->elementwise;
    if (ppq_op_has_trait(op, PPQ_OP_CONCAT))
        return s && s->align_concat >= 0 ? (ppq_align) s->align_concat : p->concat;
    if (ppq_op_has_trait(op, PPQ_OP_POOL))
        return s && s->align_pool >= 0 ? (ppq_align) s->align_pool : p->pool;
    if (ppq_op_is(op, "Resize"))
        return s && s->align_resize >= 0 ? (ppq_align) s->align_resize : p->resize;
    return PPQ_ALIGN_NONE;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_op **order;
    size_t n;
    PPQ_TRY(ppq_graph_topo(env->graph, env->scratch, &order, &n, env->diag));
    for (size_t i = 0; i < n; i++)
        if (order[i]->place == PPQ_PLACE_QUANT)
            PPQ_TRY(align(env, order[i], rule_for(env, order[i])));
    return PPQ_OK;
}

const ppq_pass ppq_pass_align = {
    .name = "align",
    .summary = "give the inputs of Add, Concat, pools and Resize common parameters",
    .needs = PPQ_FACT_CALIB_A,
    .run = run,
};
