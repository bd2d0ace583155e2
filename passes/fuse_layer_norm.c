#include "passes/pattern.h"

// (x - mean) / sqrt(mean of (x - mean)^2 + epsilon) * gamma + beta over the last dimension, or the
// same as a slope and a shift of x, becomes LayerNormalization.

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

// The mean of (x - mean)^2 whose root with epsilon `root` is, and x.
typedef struct moments {
    const ppq_op *mean, *centre;
    ppq_var *x;
    double epsilon;
} moments;

static bool find_moments(const ppq_op *root, moments *m)
{
    const ppq_op *shifted = root ? ppq_private_input(root, 0, "Add", 1) : NULL;
    const ppq_op *variance = shifted ? ppq_private_input(shifted, 0, "ReduceMean", 1) : NULL;
    const ppq_op *square = variance ? variance->in[0]->producer.op : NULL;
    m->centre = square ? ppq_input_op(square, 0, "Sub") : NULL;
    m->mean = m->centre ? ppq_input_op(m->centre, 1, "ReduceMean") : NULL;
    if (!m->mean || !ppq_var_is_const(shifted->in[1]) ||
        !ppq_const_scalar(&shifted->in[1]->value, &m->epsilon))
        return false;
    m->x = m->centre->in[0];
    return is_square(square, m->centre->out[0]) && m->mean->in[0] == m->x && over_last(m->mean) &&
           over_last(variance);
}

static bool are_rows(const ppq_var *const *in)
{
    const int rank = in[0]->shape.rank;
    return rank > 0 && is_row(in[1], in[0]->shape.dim[rank - 1]) &&
           is_row(in[2], in[0]->shape.dim[rank - 1]);
}

// (x - mean) / root * gamma + beta
static bool match_quotient(const ppq_op *add, ppq_var *in[3], moments *m)
{
    for (int32_t k = 0; k < 2; k++) {
        const ppq_op *mul = ppq_private_input(add, k, "Mul", 1);
        for (int32_t j = 0; mul && j < 2; j++) {
            const ppq_op *div = ppq_private_input(mul, j, "Div", 1);
            if (!div || !find_moments(ppq_private_input(div, 1, "Sqrt", 1), m) ||
                div->in[0] != m->centre->out[0])
                continue;
            in[0] = m->x;
            in[1] = mul->in[1 - j];
            in[2] = add->in[1 - k];
            return true;
        }
    }
    return false;
}

// The other factor of `op` when one is `v`.
static ppq_var *times(const ppq_op *op, const ppq_var *v)
{
    return !op ? NULL : op->in[0] == v ? op->in[1] : op->in[1] == v ? op->in[0] : NULL;
}

// x * s + (beta - mean * s), where s = gamma * reciprocal(root)
static bool match_slope(const ppq_op *add, ppq_var *in[3], moments *m)
{
    for (int32_t k = 0; k < 2; k++) {
        const ppq_op *product = ppq_private_input(add, k, "Mul", 1);
        const ppq_op *rest = ppq_private_input(add, 1 - k, "Sub", 1);
        const ppq_op *shift = rest ? ppq_private_input(rest, 1, "Mul", 1) : NULL;
        for (int32_t j = 0; product && shift && j < 2; j++) {
            const ppq_op *slope = ppq_private_input(product, j, "Mul", 2);
            for (int32_t i = 0; slope && i < 2; i++) {
                const ppq_op *inverse = ppq_private_input(slope, i, "Reciprocal", 1);
                if (!inverse || !find_moments(ppq_private_input(inverse, 0, "Sqrt", 1), m) ||
                    product->in[1 - j] != m->x || times(shift, m->mean->out[0]) != product->in[j])
                    continue;
                in[0] = m->x;
                in[1] = slope->in[1 - i];
                in[2] = rest->in[0];
                return true;
            }
        }
    }
    return false;
}

static bool match(const ppq_op *add, ppq_var *in[3], double *epsilon)
{
    moments m;
    if (!ppq_op_is(add, "Add") || add->n_in != 2 ||
        (!match_quotient(add, in, &m) && !match_slope(add, in, &m)))
        return false;
    *epsilon = m.epsilon;
    return are_rows((const ppq_var *const *) in);
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
