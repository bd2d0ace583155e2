#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    (void) n;
    ppq_rule_retype(op, "ScatterElements");
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_scatter_elements = {
    .name = "scatter-elements",
    .summary = "Scatter is called ScatterElements",
    .op_types = (const char *const[]){ "Scatter", NULL },
    .below = 11,
    .apply = apply,
};
