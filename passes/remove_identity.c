#include "passes/rewrite.h"

// Removes what does nothing when a model only runs: Identity, Dropout, casts to the type a tensor
// has, and ops whose outputs nobody reads.

static bool does_nothing(const ppq_op *op)
{
    if (op->n_in < 1 || !op->in[0] || op->n_out < 1 || !op->out[0])
        return false;
    if (ppq_op_is(op, "Identity"))
        return true;
    if (ppq_op_is(op, "Dropout")) {
        double training = 0;
        const bool runs = op->n_in > 2 && op->in[2] &&
                          !(ppq_const_scalar(&op->in[2]->value, &training) && !(training > 0));
        return !runs &&
               (op->n_out < 2 || !op->out[1] || (!op->out[1]->n_uses && !op->out[1]->is_output));
    }
    if (ppq_op_is(op, "Cast"))
        return op->in[0]->dtype != PPQ_DT_NONE &&
               (int64_t) op->in[0]->dtype == ppq_op_attr_int(op, "to", 0);
    return false;
}

// Against the edges, without recursion.
bool *ppq_needed_ops(const ppq_graph *g, ppq_arena *a)
{
    bool *needed = ppq_new_n(a, bool, g->n_ops + 1);
    const ppq_op **stack = ppq_new_n(a, const ppq_op *, g->n_ops + 1);
    size_t n = 0;
    for (int32_t i = 0; i < g->n_outputs; i++) {
        const ppq_op *op = g->outputs[i]->producer.op;
        if (op && !needed[op->id]) {
            needed[op->id] = true;
            stack[n++] = op;
        }
    }
    while (n) {
        const ppq_op *op = stack[--n];
        for (int32_t k = 0; k < op->n_in + op->n_implicit; k++) {
            const ppq_op *p = op->in[k] ? op->in[k]->producer.op : NULL;
            if (p && !needed[p->id]) {
                needed[p->id] = true;
                stack[n++] = p;
            }
        }
    }
    return needed;
}

static void remove_dead(const ppq_pass_env *env)
{
    ppq_graph *g = env->graph;
    const bool *needed = ppq_needed_ops(g, env->scratch);
    for (size_t i = 0; i < g->n_ops; i++)
        if (!needed[i])
            ppq_graph_remove_op(g, g->ops[i]);
    ppq_graph_compact(g);
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_graph *g = env->graph;
    for (size_t i = 0; i < g->n_ops; i++) {
        ppq_op *op = g->ops[i];
        if (!op->dead && does_nothing(op)) {
            // A mask that nobody reads would keep the op's second output alive.
            if (op->n_out > 1)
                ppq_graph_resize_outputs(g, op, 1);
            (void) ppq_graph_bypass_op(g, op, 0, 0);
        }
    }
    ppq_graph_compact(g);
    remove_dead(env);
    return PPQ_OK;
}

const ppq_pass ppq_pass_remove_identity = {
    .name = "remove-identity",
    .summary = "remove Identity, Dropout, empty casts and dead ops",
    .needs = PPQ_FACT_NORMALIZED,
    .run = run,
};
