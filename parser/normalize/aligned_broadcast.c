#include "parser/normalize/rule.h"

// With broadcast = 1 the second input's dimensions lay along those of the first from `axis` on, the
// last ones by default. Since opset 7 it is always the last ones: ones are put behind the others.
static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    const bool broadcast = ppq_op_attr_int(op, "broadcast", 0) != 0,
               has_axis = ppq_op_attr(op, "axis");
    int64_t axis = ppq_op_attr_int(op, "axis", 0);
    ppq_op_remove_attr(op, "broadcast");
    ppq_op_remove_attr(op, "axis");
    if (!broadcast || !has_axis || op->n_in < 2 || !op->in[1])
        return PPQ_OK;
    const int a = ppq_normalizer_shape(n, op->in[0]).rank;
    const int b = ppq_normalizer_shape(n, op->in[1]).rank;
    if (a < 0 || b < 0)
        return PPQ_RULE_REFUSE(n, op, "%s broadcasts along axis %lld and a rank is unknown",
                               op->type, (long long) axis);
    axis += axis < 0 ? a : 0;
    if (axis < 0 || axis + b > a)
        return PPQ_RULE_REFUSE(n, op, "%s broadcasts %d dimensions along axis %lld of %d", op->type,
                               b, (long long) axis, a);
    return ppq_rule_append_ones(n, op, 1, b, a - (int) axis - b);
}

const ppq_normalize_rule ppq_normalize_aligned_broadcast = {
    .name = "aligned-broadcast",
    .summary = "broadcasting always aligns the last dimensions",
    .op_types = (const char *const[]){ "Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor",
                                       "Equal", "Greater", "Less", NULL },
    .below = 7,
    .apply = apply,
};
