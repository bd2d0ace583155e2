#include "scheduler/regions.h"

// Quantizes what lies on paths of computed values through quantizable types; whatever a shape or
// index computation touches stays in float.

static bool end(const void *ctx, const ppq_op *op)
{
    const ppq_trace *t = ctx;
    return !t->quantizable[op->id] || ppq_op_is_boundary(op);
}

static ppq_status dispatch(const ppq_graph *g, const bool *quantizable, ppq_place *place,
                           const char **reason, ppq_arena *scratch, ppq_diag *d)
{
    (void) d;
    static const ppq_region_policy policy = { ppq_pred_computing, end, ppq_step_value, true };
    const ppq_trace t = { g, quantizable, scratch };
    const ppq_regions r = ppq_find_regions(&t, &policy);
    for (size_t i = 0; i < g->n_ops; i++) {
        if (r.soi.has[i] && !r.extended.has[i]) {
            place[i] = PPQ_PLACE_SOI;
            reason[i] = ppq_reason_soi;
        } else if (r.quantizable.has[i]) {
            place[i] = PPQ_PLACE_QUANT;
            reason[i] = ppq_reason_computed;
        } else {
            place[i] = PPQ_PLACE_FP32;
            reason[i] = !quantizable[i] ? ppq_reason_type
                        : r.soi.has[i]  ? ppq_reason_contested
                                        : ppq_reason_unreached;
        }
    }
    ppq_follow_sources(&t, place, reason);
    return PPQ_OK;
}

const ppq_dispatcher ppq_dispatcher_conservative = {
    .name = "conservative",
    .summary = "computed values in int8, everything contested in float (default)",
    .dispatch = dispatch,
};
