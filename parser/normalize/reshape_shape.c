#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    ppq_rule_need_inputs(n, op, 2);
    return ppq_rule_attr_to_input(n, op, "shape", 1);
}

const ppq_normalize_rule ppq_normalize_reshape_shape = {
    .name = "reshape-shape",
    .summary = "Reshape takes its shape as an input",
    .op_types = (const char *const[]){ "Reshape", NULL },
    .below = 5,
    .apply = apply,
};
