#include "passes/rewrite.h"

// A constant that several quantized ops read is copied, one for each: they may quantize it
// differently. The values stay shared until one of them is baked.

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_graph *g = env->graph;
    const size_t n = g->n_vars;
    for (size_t i = 0; i < n; i++) {
        ppq_var *v = g->vars[i];
        if (!ppq_var_is_const(v) || v->n_uses < 2 || v->dtype != PPQ_DT_F32)
            continue;
        for (int32_t u = v->n_uses - 1; u > 0; u--) {
            const ppq_use use = v->uses[u];
            if (use.op->place != PPQ_PLACE_QUANT)
                continue;
            ppq_tensor t = ppq_tensor_ref(&v->value);
            ppq_graph_set_input(g, use.op, use.slot, ppq_graph_add_const(g, v->name, &t));
        }
    }
    return PPQ_OK;
}

const ppq_pass ppq_pass_split_parameters = {
    .name = "split-parameters",
    .summary = "give every quantized op constants of its own",
    .needs = PPQ_FACT_PLACED,
    .run = run,
};
