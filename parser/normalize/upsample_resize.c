#include "parser/normalize/rule.h"

#include <stddef.h>

// Upsample and the first Resize look up output coordinate x at x / scale. When nothing is
// interpolated that is rounded down along axes that grow and up along axes that shrink: so says
// the standard's own test data of opset 10.

// The rounding for all axes; NULL when they need different ones. Scales that are computed are
// taken to grow.
static const char *nearest_mode(const ppq_var *scales)
{
    if (!ppq_var_is_const(scales) || scales->dtype != PPQ_DT_F32)
        return "floor";
    const int64_t n = ppq_shape_numel(&scales->shape);
    bool grows = false, shrinks = false;
    for (int64_t i = 0; i < n; i++) {
        grows |= ppq_f32(&scales->value)[i] > 1.0f;
        shrinks |= ppq_f32(&scales->value)[i] < 1.0f;
    }
    if (grows && shrinks)
        return NULL;
    return shrinks ? "ceil" : "floor";
}

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
    const bool nearest = !ppq_op_attr(op, "mode") || ppq_op_attr_is(op, "mode", "nearest");
    const char *rounding = nearest ? nearest_mode(scales) : NULL;
    if (nearest && !rounding)
        return PPQ_RULE_REFUSE(n, op,
                               "nearest %s that grows one axis and shrinks another is not "
                               "handled below opset 11",
                               op->type);
    ppq_op_remove_attr(op, "scales");
    ppq_rule_need_inputs(n, op, 3);
    ppq_graph_set_input(g, op, 1, NULL);
    ppq_graph_set_input(g, op, 2, scales);
    ppq_rule_retype(op, "Resize");
    if (ppq_op_attr_is(op, "mode", "bilinear"))
        ppq_op_set_string(g, op, "mode", "linear");
    ppq_op_set_string(g, op, "coordinate_transformation_mode", "asymmetric");
    if (rounding)
        ppq_op_set_string(g, op, "nearest_mode", rounding);
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_upsample_resize = {
    .name = "upsample-resize",
    .summary = "Upsample and Resize-10 become asymmetric Resize",
    .op_types = (const char *const[]){ "Upsample", "Resize", NULL },
    .below = 11,
    .apply = apply,
};
