#include "passes/pattern.h"

// x * Sigmoid(x) becomes Swish, x * HardSigmoid(x) HardSwish, and clip(x + 3, 0, 6) / 6 is such a
// HardSigmoid.

static bool is_hard_swish_gate(const ppq_op *op)
{
    return fabsf(ppq_op_attr_float(op, "alpha", 0.2f) - 1.0f / 6) < 1e-6f &&
           ppq_op_attr_float(op, "beta", 0.5f) == 0.5f;
}

// x when input `slot` of `op` is clip(x + 3, 0, 6).
static ppq_var *clipped(const ppq_op *op, int32_t slot)
{
    const ppq_op *clip = ppq_private_input(op, slot, "Clip", 1);
    const ppq_op *add = clip && clip->n_in == 3 ? ppq_private_input(clip, 0, "Add", 1) : NULL;
    const int32_t three = add ? ppq_slot_near(add, 3) : -1;
    return three >= 0 && ppq_input_near(clip, 1, 0) && ppq_input_near(clip, 2, 6)
               ? add->in[1 - three]
               : NULL;
}

// The slot that `op` divides by 6, or -1.
static int32_t sixth(const ppq_op *op)
{
    if (ppq_op_is(op, "Div") && ppq_input_near(op, 1, 6))
        return 0;
    const int32_t slot = ppq_op_is(op, "Mul") ? ppq_slot_near(op, 1.0 / 6) : -1;
    return slot < 0 ? -1 : 1 - slot;
}

// clip(x + 3, 0, 6) / 6, or x * clip(x + 3, 0, 6) / 6.
static const char *match_sixth(const ppq_op *op, ppq_var **x)
{
    const int32_t slot = sixth(op);
    if (slot < 0)
        return NULL;
    *x = clipped(op, slot);
    if (*x)
        return "HardSigmoid";
    const ppq_op *mul = ppq_private_input(op, slot, "Mul", 1);
    for (int32_t k = 0; mul && k < 2; k++) {
        *x = clipped(mul, k);
        if (*x && mul->in[1 - k] == *x)
            return "HardSwish";
    }
    return NULL;
}

static const char *match(const ppq_op *op, ppq_var **x)
{
    const char *type = match_sixth(op, x);
    if (type || !ppq_op_is(op, "Mul") || op->n_in != 2)
        return type;
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
        if (!type)
            continue;
        ppq_op *op = ppq_replace_op(g, g->ops[i], type, &x, 1);
        if (ppq_op_is(op, "HardSigmoid")) {
            ppq_op_set_float(g, op, "alpha", 1.0f / 6);
            ppq_op_set_float(g, op, "beta", 0.5f);
        }
    }
    ppq_graph_compact(g);
    return PPQ_OK;
}

const ppq_pass ppq_pass_fuse_swish = {
    .name = "fuse-swish",
    .summary =
        "one op for a Swish, HardSwish or HardSigmoid spelled out (when the engine runs a model)",
    .needs = PPQ_FACT_NORMALIZED,
    .run = run,
};
