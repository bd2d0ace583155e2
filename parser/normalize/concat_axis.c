#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    ppq_op_set_int(ppq_normalizer_graph(n), op, "axis", ppq_op_attr_int(op, "axis", 1));
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_concat_axis = {
    .name = "concat-axis",
    .summary = "Concat always says its axis",
    .op_types = (const char *const[]){ "Concat", NULL },
    .below = 4,
    .apply = apply,
};
