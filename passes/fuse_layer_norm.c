#include "passes/pattern.h"

// (x - mean) / sqrt(mean of (x - mean)^2 + epsilon) * gamma + beta over the last dimension becomes
// LayerNormalization.

static bool over_last(const ppq_op *mean)
{
    const int rank = mean->in[0]->shape.rank;
    int64_t axis;
    const int64_t *axes;
    const size_t n = ppq_op_attr_ints(mean, "axes", &axes);
    if (n == 1)
        axis = axes[0];
    else if (n || mean->n_in < 2 || !ppq_var_is_const(mean->in[1]) ||
             ppq_const_ints(&mean->in[1]->value, &axis, 1) != 1)
        return false;
    return ppq_op_attr_int(mean, "keepdims", 1) && rank > 0 && (axis == -1 || axis == rank - 1);
}

static bool is_square(const ppq_op *op, const ppq_var *of)
{
    return (ppq_op_is(op, "Pow") && op->in[0] == of && ppq_input_near(op, 1, 2)) ||
           (ppq_op_is(op, "Mul") && op->in[0] == of && op->in[1] == of);
}

static bool is_row(const ppq_var *v, int64_t n)
{
    return ppq_var_is_const(v) && v->value.dtype == PPQ_DT_F32 && v->value.shape.rank == 1 &&
           v->value.shape.dim[0] == n;
}

// x when `div` = (x - mean) / sqrt(variance + epsilon).
static ppq_var *normalized(const ppq_op *div, double *epsilon)
{
    const ppq_op *root = ppq_private_input(div, 1, "Sqrt", 1);
    const ppq_op *shifted = root ? ppq_private_input(root, 0, "Add", 1) : NULL;
    const ppq_op *variance = shifted ? ppq_private_input(shifted, 0, "ReduceMean", 1) : NULL;
    const ppq_op *centre = ppq_input_op(div, 0, "Sub");
    if (!variance || !centre || !ppq_var_is_const(shifted->in[1]) ||
        !ppq_const_scalar(&shifted->in[1]->value, epsilon))
        return NULL;
    const ppq_op *square = variance->in[0]->producer.op;
    const ppq_op *mean = ppq_private_input(centre, 1, "ReduceMean", 1);
    if (!square || !mean || !is_square(square, div->in[0]) || mean->in[0] != centre->in[0] ||
        !over_last(mean) || !over_last(variance))
        return NULL;
    return centre->in[0];
}

static bool match(const ppq_op *add, ppq_var *in[3], double *epsilon)
{
    if (!ppq_op_is(add, "Add") || add->n_in != 2)
        return false;
    for (int32_t k = 0; k < 2; k++) {
        const ppq_op *mul = ppq_private_input(add, k, "Mul", 1);
        for (int32_t j = 0; mul && j < 2; j++) {
            const ppq_op *div = ppq_private_input(mul, j, "Div", 1);
            in[0] = div ? normalized(div, epsilon) : NULL;
            in[1] = mul->in[1 - j];
            in[2] = add->in[1 - k];
            const int rank = in[0] ? in[0]->shape.rank : 0;
            if (rank > 0 && is_row(in[1], in[0]->shape.dim[rank - 1]) &&
                is_row(in[2], in[0]->shape.dim[rank - 1]))
                return true;
        }
    }
    return false;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_graph *g = env->graph;
    for (size_t i = 0, n = g->n_ops; i < n; i++) {
        ppq_var *in[3];
        double epsilon;
        if (g->ops[i]->dead || !match(g->ops[i], in, &epsilon))
            continue;
        ppq_op *op = ppq_replace_op(g, g->ops[i], "LayerNormalization", in, 3);
        ppq_op_set_int(g, op, "axis", -1);
        ppq_op_set_float(g, op, "epsilon", (float) epsilon);
    }
    ppq_graph_compact(g);
    return PPQ_OK;
}

const ppq_pass ppq_pass_fuse_layer_norm = {
    .name = "fuse-layer-norm",
    .summary = "one op for a spelled-out LayerNormalization (when the engine runs a model)",
    .needs = PPQ_FACT_NORMALIZED | PPQ_FACT_SHAPES,
    .run = run,
};
