#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    if (!ppq_op_attr(op, "k"))
        return PPQ_RULE_REFUSE(n, op, "TopK needs attribute 'k' below opset 10");
    ppq_rule_need_inputs(n, op, 2);
    return ppq_rule_attr_to_input(n, op, "k", 1);
}

const ppq_normalize_rule ppq_normalize_topk_input = {
    .name = "topk-input",
    .summary = "TopK takes k as an input",
    .op_types = (const char *const[]){ "TopK", NULL },
    .below = 10,
    .apply = apply,
};
