#include "parser/normalize/rule.h"

// Below opset 13 the input is flattened to two dimensions at `axis` and the second is normalized:
// all axes from there on together. Since then it is the one axis alone.

// The one axis that stands for all of [axis, rank), if there is one: the others have one element.
static bool single_axis(const ppq_shape *s, int64_t axis, int64_t *out)
{
    int64_t found = s->rank - 1;
    int n = 0;
    for (int64_t i = axis; i < s->rank; i++)
        if (s->dim[i] != 1) {
            found = i;
            n++;
        }
    *out = found;
    return n <= 1;
}

static ppq_status shape_of(ppq_normalizer *n, const ppq_op *op, ppq_var *x, ppq_var **out)
{
    ppq_graph *g = ppq_normalizer_graph(n);
    const ppq_shape s = ppq_normalizer_shape(n, x);
    if (ppq_shape_known(&s)) {
        const ppq_shape list = ppq_shape_1d(s.rank);
        return ppq_rule_const(n, op, "shape", PPQ_DT_I64, &list, s.dim, out);
    }
    ppq_op *shape = ppq_rule_insert(n, op, "Shape", 1, 1);
    *out = ppq_rule_var(n, op, "shape");
    ppq_graph_set_input(g, shape, 0, x);
    ppq_graph_set_output(g, shape, 0, *out);
    return PPQ_OK;
}

static ppq_status around(ppq_normalizer *n, ppq_op *op, int64_t axis)
{
    ppq_graph *g = ppq_normalizer_graph(n);
    ppq_var *x = op->in[0], *y = op->out[0], *shape;
    PPQ_TRY(shape_of(n, op, x, &shape));
    ppq_op *flatten = ppq_rule_insert(n, op, "Flatten", 1, 1);
    ppq_op *reshape = ppq_rule_insert(n, op, "Reshape", 2, 1);
    ppq_var *flat = ppq_rule_var(n, op, "flat"), *result = ppq_rule_var(n, op, "flat_result");
    ppq_op_set_int(g, flatten, "axis", axis);
    ppq_graph_set_input(g, flatten, 0, x);
    ppq_graph_set_output(g, flatten, 0, flat);
    ppq_graph_set_input(g, op, 0, flat);
    ppq_graph_set_output(g, op, 0, NULL);
    ppq_graph_set_output(g, op, 0, result);
    ppq_graph_set_input(g, reshape, 0, result);
    ppq_graph_set_input(g, reshape, 1, shape);
    ppq_graph_set_output(g, reshape, 0, y);
    ppq_op_set_int(g, op, "axis", -1);
    return PPQ_OK;
}

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    ppq_graph *g = ppq_normalizer_graph(n);
    int64_t axis = ppq_op_attr_int(op, "axis", 1);
    const ppq_shape s = ppq_normalizer_shape(n, op->in[0]);
    if (s.rank >= 0 && axis < 0)
        axis += s.rank;
    if (s.rank >= 0 && (axis < 0 || axis > PPQ_MAX(s.rank - 1, 0)))
        return PPQ_RULE_REFUSE(n, op, "axis %lld of %s is outside its input's %d dimensions",
                               (long long) axis, op->type, s.rank);
    if (axis == -1)
        return PPQ_OK;
    int64_t one;
    if (s.rank < 1 || !single_axis(&s, axis, &one))
        return around(n, op, axis);
    ppq_op_set_int(g, op, "axis", one == s.rank - 1 ? -1 : one);
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_softmax_axis = {
    .name = "softmax-axis",
    .summary = "Softmax, LogSoftmax and Hardmax work along one axis",
    .op_types = (const char *const[]){ "Softmax", "LogSoftmax", "Hardmax", NULL },
    .below = 13,
    .apply = apply,
};
