#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    if (ppq_op_attr(op, "split"))
        ppq_rule_need_inputs(n, op, 2);
    return ppq_rule_attr_to_input(n, op, "split", 1);
}

const ppq_normalize_rule ppq_normalize_split_input = {
    .name = "split-input",
    .summary = "Split takes its sizes as an input",
    .op_types = (const char *const[]){ "Split", NULL },
    .below = 13,
    .apply = apply,
};
