#include "parser/normalize/rule.h"

// Upsample and the first Resize look up output coordinate x at x / scale, rounded down when
// nothing is interpolated.
static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    ppq_graph *g = ppq_normalizer_graph(n);
    ppq_var *scales = op->n_in > 1 ? op->in[1] : NULL;
    const ppq_attr *a = ppq_op_attr(op, "scales");
    if (!scales && a && a->kind == PPQ_ATTR_FLOATS) {
        const ppq_shape shape = ppq_shape_1d((int64_t) a->count);
        PPQ_TRY(ppq_rule_const(n, op, "scales", PPQ_DT_F32, &shape, a->u.floats, &scales));
    }
    if (!scales)
        return PPQ_RULE_REFUSE(n, op, "%s has no scales", op->type);
    ppq_op_remove_attr(op, "scales");
    ppq_rule_need_inputs(n, op, 3);
    ppq_graph_set_input(g, op, 1, NULL);
    ppq_graph_set_input(g, op, 2, scales);
    ppq_rule_retype(op, "Resize");
    if (ppq_op_attr_is(op, "mode", "bilinear"))
        ppq_op_set_string(g, op, "mode", "linear");
    ppq_op_set_string(g, op, "coordinate_transformation_mode", "asymmetric");
    if (!ppq_op_attr(op, "mode") || ppq_op_attr_is(op, "mode", "nearest"))
        ppq_op_set_string(g, op, "nearest_mode", "floor");
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_upsample_resize = {
    .name = "upsample-resize",
    .summary = "Upsample and Resize-10 become asymmetric Resize",
    .op_types = (const char *const[]){ "Upsample", "Resize", NULL },
    .below = 11,
    .apply = apply,
};
