#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    const ppq_attr *a = ppq_op_attr(op, "paddings");
    if (!a || a->kind != PPQ_ATTR_INTS)
        return PPQ_RULE_REFUSE(n, op, "Pad has no paddings");
    ppq_op_set_ints(ppq_normalizer_graph(n), op, "pads", a->u.ints, a->count);
    ppq_op_remove_attr(op, "paddings");
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_pad_paddings = {
    .name = "pad-paddings",
    .summary = "Pad calls its paddings pads",
    .op_types = (const char *const[]){ "Pad", NULL },
    .below = 2,
    .apply = apply,
};
