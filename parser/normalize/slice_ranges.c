#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    if (!ppq_op_attr(op, "starts") || !ppq_op_attr(op, "ends"))
        return PPQ_RULE_REFUSE(n, op, "Slice needs attributes 'starts' and 'ends' below opset 10");
    ppq_rule_need_inputs(n, op, ppq_op_attr(op, "axes") ? 4 : 3);
    PPQ_TRY(ppq_rule_attr_to_input(n, op, "starts", 1));
    PPQ_TRY(ppq_rule_attr_to_input(n, op, "ends", 2));
    return ppq_rule_attr_to_input(n, op, "axes", 3);
}

const ppq_normalize_rule ppq_normalize_slice_ranges = {
    .name = "slice-ranges",
    .summary = "Slice takes starts, ends and axes as inputs",
    .op_types = (const char *const[]){ "Slice", NULL },
    .below = 10,
    .apply = apply,
};
