#include "passes/pattern.h"

// x * (1 + erf(x / sqrt 2)) * 0.5, however it is parenthesized, becomes Gelu.

// The Erf that `sum` = 1 + Erf(...) adds to, and x.
static const ppq_var *erf_argument(const ppq_op *sum)
{
    const int32_t one = ppq_slot_near(sum, 1);
    const ppq_op *erf = one < 0 ? NULL : ppq_private_input(sum, 1 - one, "Erf", 1);
    if (!erf)
        return NULL;
    const ppq_op *div = ppq_private_input(erf, 0, "Div", 1);
    if (div && ppq_input_near(div, 1, 1.4142135623730951))
        return div->in[0];
    const ppq_op *mul = ppq_private_input(erf, 0, "Mul", 1);
    const int32_t half = mul ? ppq_slot_near(mul, 0.70710678118654752) : -1;
    return half < 0 ? NULL : mul->in[1 - half];
}

// x if `op` = x * (1 + erf(x / sqrt 2)); `scaled`: x may be x * 0.5 instead.
static const ppq_var *product(const ppq_op *op, bool *scaled)
{
    for (int32_t k = 0; k < 2; k++) {
        const ppq_op *sum = ppq_private_input(op, k, "Add", 1);
        const ppq_var *x = sum ? erf_argument(sum) : NULL, *y = op->in[1 - k];
        if (!x)
            continue;
        *scaled = false;
        if (y == x)
            return x;
        const ppq_op *half = ppq_private_input(op, 1 - k, "Mul", 1);
        const int32_t slot = half ? ppq_slot_near(half, 0.5) : -1;
        *scaled = true;
        if (slot >= 0 && half->in[1 - slot] == x)
            return x;
    }
    return NULL;
}

static const ppq_var *match(const ppq_op *op)
{
    bool scaled;
    if (!ppq_op_is(op, "Mul") || op->n_in != 2)
        return NULL;
    const ppq_var *x = product(op, &scaled);
    if (x)
        return scaled ? x : NULL;
    const int32_t half = ppq_slot_near(op, 0.5);
    const ppq_op *inner = half < 0 ? NULL : ppq_private_input(op, 1 - half, "Mul", 1);
    x = inner ? product(inner, &scaled) : NULL;
    return x && !scaled ? x : NULL;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_graph *g = env->graph;
    for (size_t i = 0, n = g->n_ops; i < n; i++) {
        ppq_op *op = g->ops[i];
        ppq_var *x = op->dead ? NULL : (ppq_var *) (uintptr_t) match(op);
        if (x)
            (void) ppq_replace_op(g, op, "Gelu", &x, 1);
    }
    ppq_graph_compact(g);
    return PPQ_OK;
}

const ppq_pass ppq_pass_fuse_gelu = {
    .name = "fuse-gelu",
    .summary = "one op for a Gelu spelled with Erf (when the engine runs a model)",
    .needs = PPQ_FACT_NORMALIZED,
    .run = run,
};
