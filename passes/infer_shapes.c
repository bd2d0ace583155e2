#include <stdlib.h>

#include "passes/rewrite.h"

// Shapes and types of every variable that an output needs, as far as they follow from the inputs,
// constants and declared shapes. What stays unknown is learned when the model runs.

// Takes the more specific of what is declared and what is inferred.
static void learn(ppq_var *v, const ppq_shape *s, ppq_dtype dt)
{
    if (dt != PPQ_DT_NONE)
        v->dtype = dt;
    if (s->rank < 0)
        return;
    if (v->shape.rank != s->rank) {
        v->shape = *s;
        return;
    }
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] >= 0 || v->shape.dim[i] == PPQ_DIM_UNKNOWN)
            v->shape.dim[i] = s->dim[i];
}

ppq_status ppq_infer_op_shapes(ppq_graph *g, ppq_op *op, ppq_arena *a, ppq_diag *d)
{
    const size_t ni = (size_t) op->n_in + 1, no = (size_t) op->n_out + 1;
    const ppq_tensor **value = ppq_new_n(a, const ppq_tensor *, ni);
    ppq_shape *in = ppq_new_n(a, ppq_shape, ni), *out = ppq_new_n(a, ppq_shape, no);
    ppq_dtype *in_dt = ppq_new_n(a, ppq_dtype, ni), *out_dt = ppq_new_n(a, ppq_dtype, no);
    bool *has = ppq_new_n(a, bool, ni);
    for (int32_t k = 0; k < op->n_in; k++) {
        const ppq_var *v = op->in[k];
        in[k].rank = -1;
        if (!v)
            continue;
        has[k] = true;
        in[k] = v->shape;
        in_dt[k] = v->dtype;
        value[k] = ppq_var_is_const(v) ? &v->value : NULL;
    }
    for (int32_t k = 0; k < op->n_out; k++)
        out[k].rank = -1;
    ppq_infer_ctx c = { op, ppq_graph_opset(g, op->domain), value, in, in_dt, has, out, out_dt, d };
    PPQ_TRY(op->def->infer(&c));
    for (int32_t k = 0; k < op->n_out; k++)
        if (op->out[k])
            learn(op->out[k], &out[k], out_dt[k]);
    return PPQ_OK;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_op **order;
    size_t n;
    ppq_graph_compact(env->graph);
    PPQ_TRY(ppq_graph_topo(env->graph, env->scratch, &order, &n, env->diag));
    const bool *needed = ppq_needed_ops(env->graph, env->scratch);
    ppq_arena *a = ppq_arena_create("infer");
    ppq_status st = PPQ_OK;
    for (size_t i = 0; i < n && st == PPQ_OK; i++) {
        const ppq_op_def *def = order[i]->def;
        if (!def || !needed[order[i]->id])
            continue;
        if (order[i]->n_in < def->in_min || order[i]->n_out < def->out_min)
            st = ppq_fail(
                env->diag, PPQ_ERR_MODEL, (ppq_loc){ .stage = "shapes", .op = order[i]->name },
                "%s has %d inputs and %d outputs, at least %d and %d are needed", order[i]->type,
                order[i]->n_in, order[i]->n_out, def->in_min, def->out_min);
        else
            st = ppq_infer_op_shapes(env->graph, order[i], a, env->diag);
        ppq_arena_reset(a);
    }
    ppq_arena_destroy(a);
    return st;
}

const ppq_pass ppq_pass_infer_shapes = {
    .name = "infer-shapes",
    .summary = "infer shapes and types of every tensor",
    .needs = PPQ_FACT_NORMALIZED,
    .gives = PPQ_FACT_SHAPES,
    .run = run,
};
