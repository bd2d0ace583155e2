#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    if (!ppq_op_attr(op, "pads"))
        return PPQ_RULE_REFUSE(n, op, "Pad needs attribute 'pads' below opset 11");
    const float value = ppq_op_attr_float(op, "value", 0);
    ppq_rule_need_inputs(n, op, value != 0.0f ? 3 : 2);
    PPQ_TRY(ppq_rule_attr_to_input(n, op, "pads", 1));
    if (value != 0.0f) {
        ppq_var *v;
        PPQ_TRY(ppq_rule_scalar(n, op, "value", ppq_normalizer_float(n, op->in[0]), value, &v));
        ppq_graph_set_input(ppq_normalizer_graph(n), op, 2, v);
    }
    ppq_op_remove_attr(op, "value");
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_pad_inputs = {
    .name = "pad-inputs",
    .summary = "Pad takes pads and value as inputs",
    .op_types = (const char *const[]){ "Pad", NULL },
    .below = 11,
    .apply = apply,
};
