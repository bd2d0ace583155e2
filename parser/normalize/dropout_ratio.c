#include "parser/normalize/rule.h"

// Below opset 10 the mask has the type of the data, since then it is boolean.
static ppq_status convert_mask(ppq_normalizer *n, ppq_op *op)
{
    ppq_graph *g = ppq_normalizer_graph(n);
    ppq_var *mask = op->n_out > 1 ? op->out[1] : NULL;
    if (!mask)
        return PPQ_OK;
    ppq_graph_set_output(g, op, 1, NULL);
    if (!mask->n_uses && !mask->is_output) {
        ppq_graph_resize_outputs(g, op, 1);
        return PPQ_OK;
    }
    const ppq_dtype dtype = ppq_normalizer_float(n, op->in[0]);
    if (!dtype)
        return PPQ_RULE_REFUSE(n, op, "its mask is used and the type of its data is unknown");
    ppq_op *cast = ppq_rule_insert(n, op, "Cast", 1, 1);
    ppq_op_set_int(g, cast, "to", (int64_t) dtype);
    ppq_var *flags = ppq_rule_var(n, op, "mask");
    ppq_graph_set_output(g, op, 1, flags);
    ppq_graph_set_input(g, cast, 0, flags);
    ppq_graph_set_output(g, cast, 0, mask);
    return PPQ_OK;
}

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    if (ppq_op_attr(op, "ratio")) {
        ppq_var *v;
        PPQ_TRY(
            ppq_rule_scalar(n, op, "ratio", PPQ_DT_F32, ppq_op_attr_float(op, "ratio", 0.5f), &v));
        ppq_rule_need_inputs(n, op, 2);
        ppq_graph_set_input(ppq_normalizer_graph(n), op, 1, v);
        ppq_op_remove_attr(op, "ratio");
    }
    return ppq_normalizer_opset(n) < 10 ? convert_mask(n, op) : PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_dropout_ratio = {
    .name = "dropout-ratio",
    .summary = "Dropout takes its ratio as an input and gives a boolean mask",
    .op_types = (const char *const[]){ "Dropout", NULL },
    .below = 12,
    .apply = apply,
};
