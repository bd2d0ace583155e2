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
    static const ppq_region_policy policy = {
        .quant_start = ppq_pred_computing,
        .quant_end = end,
        .quant_relay = ppq_step_value,
        .computing_ends_soi = true,
        .why_quant = ppq_reason_computed,
        .why_contested = ppq_reason_contested,
        .why_outside = ppq_reason_unreached,
    };
    const ppq_trace t = { g, quantizable, scratch };
    ppq_dispatch_regions(&t, &policy, place, reason);
    return PPQ_OK;
}

const ppq_dispatcher ppq_dispatcher_conservative = {
    .name = "conservative",
    .summary = "computed values in int8, everything contested in float (default)",
    .dispatch = dispatch,
};
