#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    const ppq_attr *axes = ppq_op_attr(op, "axes");
    if (!axes)
        return PPQ_OK;
    // An empty list means what an absent one does: all axes.
    if (!axes->count) {
        ppq_op_remove_attr(op, "axes");
        return PPQ_OK;
    }
    ppq_rule_need_inputs(n, op, 2);
    return ppq_rule_attr_to_input(n, op, "axes", 1);
}

const ppq_normalize_rule ppq_normalize_axes_input = {
    .name = "axes-input",
    .summary = "Squeeze, Unsqueeze and ReduceSum take axes as an input",
    .op_types = (const char *const[]){ "Squeeze", "Unsqueeze", "ReduceSum", NULL },
    .below = 13,
    .apply = apply,
};
