#include "executor/engine/quant_view.h"

// Ops that give the same bytes another shape: no step at all. Between a DQ and a Q of one grid the
// integers themselves are handed on.

static bool same_bytes(const ppq_plan *p, const ppq_op *op)
{
    // Dropout's mask, or a shape that does not keep the number of elements, is not ours.
    for (int32_t k = 1; k < op->n_out; k++)
        if (op->out[k])
            return false;
    return op->in[0] && op->out[0] && p->dtype[op->in[0]->id] == p->dtype[op->out[0]->id] &&
           ppq_dtype_size(p->dtype[op->in[0]->id]) &&
           ppq_shape_numel(&p->shape[op->in[0]->id]) == ppq_shape_numel(&p->shape[op->out[0]->id]);
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    if (!same_bytes(p, op) || (ppq_op_is(op, "Dropout") && op->n_in > 2 && op->in[2]))
        return PPQ_ERR_UNSUPPORTED;
    const ppq_var *from = op->in[0], *to = op->out[0];
    ppq_grid in, out;
    const ppq_op *q = ppq_only_quantizer(p, to, &out);
    if (q && ppq_grid_of_var(from, &in) && ppq_grid_equal(&in, &out)) {
        from = in.q;
        to = out.q;
        ppq_plan_done(p, q);
    }
    int32_t value;
    PPQ_TRY(ppq_plan_read(p, from, PPQ_WANT_PLAIN, true, &value));
    if (p->storages[ppq_plan_value(p, value)->storage]->kind == PPQ_STORAGE_HELD)
        return PPQ_ERR_UNSUPPORTED;
    (void) ppq_plan_new_alias(p, to, ppq_plan_value(p, value)->dtype, &p->shape[to->id],
                              PPQ_LAYOUT_PLAIN, value);
    p->storages[ppq_plan_value(p, value)->storage]->shared = true;
    ppq_plan_done(p, op);
    return PPQ_OK;
}

static const char *const types[] = { "Reshape",  "Flatten", "Squeeze", "Unsqueeze",
                                     "Identity", "Dropout", NULL };

const ppq_rule ppq_rule_alias = {
    .name = "alias",
    .summary = "the same bytes under another shape: no step",
    .types = types,
    .lower = lower,
};
