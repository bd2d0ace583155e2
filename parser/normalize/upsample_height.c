#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    const float scales[] = { 1, 1, ppq_op_attr_float(op, "height_scale", 0),
                             ppq_op_attr_float(op, "width_scale", 0) };
    if (!(scales[2] > 0) || !(scales[3] > 0))
        return PPQ_RULE_REFUSE(n, op, "Upsample has no height_scale or no width_scale");
    const ppq_shape shape = ppq_shape_1d(PPQ_COUNT(scales));
    ppq_var *v;
    PPQ_TRY(ppq_rule_const(n, op, "scales", PPQ_DT_F32, &shape, scales, &v));
    ppq_rule_need_inputs(n, op, 2);
    ppq_graph_set_input(ppq_normalizer_graph(n), op, 1, v);
    ppq_op_remove_attr(op, "height_scale");
    ppq_op_remove_attr(op, "width_scale");
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_upsample_height = {
    .name = "upsample-height",
    .summary = "Upsample takes a scale for every axis",
    .op_types = (const char *const[]){ "Upsample", NULL },
    .below = 7,
    .apply = apply,
};
