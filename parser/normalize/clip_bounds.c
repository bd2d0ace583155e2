#include "parser/normalize/rule.h"

// An absent bound means the largest finite number in Clip-6 and none at all later; the two differ
// for infinities only.
static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    static const char *const bounds[] = { "min", "max" };
    for (int32_t i = 0; i < 2; i++) {
        if (!ppq_op_attr(op, bounds[i]))
            continue;
        ppq_var *v;
        PPQ_TRY(ppq_rule_scalar(n, op, bounds[i], ppq_normalizer_float(n, op->in[0]),
                                ppq_op_attr_float(op, bounds[i], 0), &v));
        ppq_rule_need_inputs(n, op, i + 2);
        ppq_graph_set_input(ppq_normalizer_graph(n), op, i + 1, v);
        ppq_op_remove_attr(op, bounds[i]);
    }
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_clip_bounds = {
    .name = "clip-bounds",
    .summary = "Clip takes its bounds as inputs",
    .op_types = (const char *const[]){ "Clip", NULL },
    .below = 11,
    .apply = apply,
};
