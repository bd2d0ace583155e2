#include "scheduler/regions.h"

// Follows values through links between inputs and outputs, in both directions, to a fixed point:
// the closure of the computing ops is quantized, the closure of what makes or consumes shapes is
// not, and what lies in both is contested.

// A link joins two ops through one variable whose ends both carry data.
static bool linked(const ppq_op *reader, int32_t slot)
{
    return ppq_op_in_plane(reader, slot) == PPQ_PLANE_DATA;
}

static bool passes(const ppq_op *op)
{
    return !ppq_op_has_trait(op, PPQ_OP_NO_LINKS);
}

static void spread(const ppq_trace *t, ppq_op_set *s)
{
    const ppq_op **queue = ppq_new_n(t->scratch, const ppq_op *, t->g->n_ops + 1);
    size_t head = 0, tail = 0;
    for (size_t i = 0; i < t->g->n_ops; i++)
        if (s->has[i])
            queue[tail++] = t->g->ops[i];
    while (head < tail) {
        const ppq_op *op = queue[head++];
        if (!passes(op))
            continue;
        for (int32_t k = 0; k < op->n_in; k++) {
            const ppq_op *p = linked(op, k) ? ppq_op_source(op, k) : NULL;
            // What yields the values belongs to them, though nothing may pass through it.
            if (p && !s->has[p->id]) {
                ppq_op_set_add(s, p);
                queue[tail++] = p;
            }
        }
        for (int32_t k = 0; k < op->n_out; k++) {
            if (!op->out[k] || ppq_op_out_plane(op, k) != PPQ_PLANE_DATA)
                continue;
            for (int32_t u = 0; u < op->out[k]->n_uses; u++) {
                const ppq_use use = op->out[k]->uses[u];
                if (use.slot >= use.op->n_in || !linked(use.op, use.slot) || !passes(use.op) ||
                    s->has[use.op->id])
                    continue;
                ppq_op_set_add(s, use.op);
                queue[tail++] = use.op;
            }
        }
    }
}

static void add_soi_sources(const ppq_trace *t, ppq_op_set *s)
{
    for (size_t i = 0; i < t->g->n_ops; i++) {
        const ppq_op *op = t->g->ops[i];
        for (int32_t k = 0; k < op->n_out; k++) {
            if (!op->out[k] || ppq_op_out_plane(op, k) == PPQ_PLANE_DATA)
                continue;
            for (int32_t u = 0; u < op->out[k]->n_uses; u++)
                if (ppq_op_in_plane(op->out[k]->uses[u].op, op->out[k]->uses[u].slot) ==
                    PPQ_PLANE_DATA)
                    ppq_op_set_add(s, op->out[k]->uses[u].op);
        }
        for (int32_t k = 0; k < op->n_in; k++)
            if (ppq_op_in_plane(op, k) != PPQ_PLANE_DATA && ppq_op_source(op, k))
                ppq_op_set_add(s, ppq_op_source(op, k));
    }
}

static ppq_status dispatch(const ppq_graph *g, const bool *quantizable, ppq_place *place,
                           const char **reason, ppq_arena *scratch, ppq_diag *d)
{
    (void) d;
    const ppq_trace t = { g, quantizable, scratch };
    ppq_op_set computed = ppq_op_set_new(&t), soi = ppq_op_set_new(&t);
    for (size_t i = 0; i < g->n_ops; i++)
        if (ppq_op_has_trait(g->ops[i], PPQ_OP_COMPUTE))
            ppq_op_set_add(&computed, g->ops[i]);
    add_soi_sources(&t, &soi);
    spread(&t, &computed);
    spread(&t, &soi);
    for (size_t i = 0; i < g->n_ops; i++) {
        place[i] = PPQ_PLACE_FP32;
        if (computed.has[i] && soi.has[i]) {
            reason[i] = ppq_reason_contested;
        } else if (computed.has[i]) {
            place[i] = quantizable[i] ? PPQ_PLACE_QUANT : PPQ_PLACE_FP32;
            reason[i] = quantizable[i] ? ppq_reason_computed : ppq_reason_type;
        } else if (soi.has[i]) {
            place[i] = PPQ_PLACE_SOI;
            reason[i] = ppq_reason_soi;
        } else {
            reason[i] = ppq_reason_unreached;
        }
    }
    return PPQ_OK;
}

const ppq_dispatcher ppq_dispatcher_perseus = {
    .name = "perseus",
    .summary = "closures along value links in both directions; what both claim stays in float",
    .dispatch = dispatch,
};
