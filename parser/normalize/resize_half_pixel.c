#include "parser/normalize/rule.h"

// tf_half_pixel_for_nn, gone in opset 13, reads at (x + 0.5) / scale. Rounded down that is what
// half_pixel, 0.5 less, gives when it rounds halves up.
static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    ppq_graph *g = ppq_normalizer_graph(n);
    if (!ppq_op_attr_is(op, "coordinate_transformation_mode", "tf_half_pixel_for_nn"))
        return PPQ_OK;
    const bool nearest = !ppq_op_attr(op, "mode") || ppq_op_attr_is(op, "mode", "nearest");
    if (!nearest || !ppq_op_attr_is(op, "nearest_mode", "floor"))
        return PPQ_RULE_REFUSE(n, op,
                               "Resize in mode tf_half_pixel_for_nn is handled only as nearest "
                               "with nearest_mode floor");
    ppq_op_set_string(g, op, "coordinate_transformation_mode", "half_pixel");
    ppq_op_set_string(g, op, "nearest_mode", "round_prefer_ceil");
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_resize_half_pixel = {
    .name = "resize-half-pixel",
    .summary = "Resize without tf_half_pixel_for_nn",
    .op_types = (const char *const[]){ "Resize", NULL },
    .below = 13,
    .apply = apply,
};
