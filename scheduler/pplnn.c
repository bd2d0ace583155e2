#include "scheduler/regions.h"

// Quantizes convolutions and the chains of quantizable ops between them.

static bool is_conv(const void *ctx, const ppq_op *op)
{
    (void) ctx;
    return ppq_op_is(op, "Conv");
}

static bool through_quantizable(const void *ctx, const ppq_op *from, const ppq_op *to)
{
    const ppq_trace *t = ctx;
    return t->quantizable[to->id] && ppq_step_value(ctx, from, to);
}

static ppq_status dispatch(const ppq_graph *g, const bool *quantizable, ppq_place *place,
                           const char **reason, ppq_arena *scratch, ppq_diag *d)
{
    (void) d;
    static const ppq_region_policy policy = { is_conv, is_conv, through_quantizable, true };
    const ppq_trace t = { g, quantizable, scratch };
    const ppq_regions r = ppq_find_regions(&t, &policy);
    for (size_t i = 0; i < g->n_ops; i++) {
        if (r.soi.has[i] && !r.extended.has[i]) {
            place[i] = PPQ_PLACE_SOI;
            reason[i] = ppq_reason_soi;
        } else if (r.quantizable.has[i]) {
            place[i] = PPQ_PLACE_QUANT;
            reason[i] = "a convolution, or between convolutions";
        } else {
            place[i] = PPQ_PLACE_FP32;
            reason[i] = quantizable[i] ? "not between convolutions" : ppq_reason_type;
        }
    }
    ppq_follow_sources(&t, place, reason);
    return PPQ_OK;
}

const ppq_dispatcher ppq_dispatcher_pplnn = {
    .name = "pplnn",
    .summary = "convolutions and what lies between them in int8, the rest in float",
    .dispatch = dispatch,
};
