#include "passes/pattern.h"

// x * Sigmoid(x) becomes Swish, x * HardSigmoid(x) HardSwish.

static bool is_hard_swish_gate(const ppq_op *op)
{
    return fabsf(ppq_op_attr_float(op, "alpha", 0.2f) - 1.0f / 6) < 1e-6f &&
           ppq_op_attr_float(op, "beta", 0.5f) == 0.5f;
}

static const char *match(const ppq_op *op, ppq_var **x)
{
    if (!ppq_op_is(op, "Mul") || op->n_in != 2)
        return NULL;
    for (int32_t k = 0; k < 2; k++) {
        *x = op->in[1 - k];
        const ppq_op *gate = ppq_private_input(op, k, "Sigmoid", 1);
        if (gate && gate->in[0] == *x)
            return "Swish";
        gate = ppq_private_input(op, k, "HardSigmoid", 1);
        if (gate && gate->in[0] == *x && is_hard_swish_gate(gate))
            return "HardSwish";
    }
    return NULL;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_graph *g = env->graph;
    for (size_t i = 0, n = g->n_ops; i < n; i++) {
        ppq_var *x;
        const char *type = g->ops[i]->dead ? NULL : match(g->ops[i], &x);
        if (type)
            (void) ppq_replace_op(g, g->ops[i], type, &x, 1);
    }
    ppq_graph_compact(g);
    return PPQ_OK;
}

const ppq_pass ppq_pass_fuse_swish = {
    .name = "fuse-swish",
    .summary = "one op for x * Sigmoid(x) and x * HardSigmoid(x) (when the engine runs a model)",
    .needs = PPQ_FACT_NORMALIZED,
    .run = run,
};
