#include "scheduler/regions.h"

// Quantizes computing ops and the activations behind them only.

static ppq_status dispatch(const ppq_graph *g, const bool *quantizable, ppq_place *place,
                           const char **reason, ppq_arena *scratch, ppq_diag *d)
{
    static const ppq_region_policy policy = { .quant_start = ppq_pred_computing,
                                              .quant_end = ppq_pred_computing,
                                              .quant_relay = ppq_step_value,
                                              .computing_ends_soi = true };
    const ppq_trace t = { g, quantizable, scratch };
    (void) d;
    const ppq_regions r = ppq_find_regions(&t, &policy);
    for (size_t i = 0; i < g->n_ops; i++) {
        const bool computing = ppq_op_has_trait(g->ops[i], PPQ_OP_COMPUTE);
        if (computing && quantizable[i]) {
            place[i] = PPQ_PLACE_QUANT;
            reason[i] = "a computing op";
        } else if (r.soi.has[i] && !r.extended.has[i]) {
            place[i] = PPQ_PLACE_SOI;
            reason[i] = ppq_reason_soi;
        } else {
            place[i] = PPQ_PLACE_FP32;
            reason[i] = quantizable[i] ? "not a computing op" : ppq_reason_type;
        }
    }
    ppq_follow_sources(&t, place, reason);
    return PPQ_OK;
}

const ppq_dispatcher ppq_dispatcher_pointwise = {
    .name = "pointwise",
    .summary = "computing ops and their activations only",
    .dispatch = dispatch,
};
