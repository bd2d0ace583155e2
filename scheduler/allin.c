#include "scheduler/regions.h"

// Quantizes every op of a quantizable type that handles data.

static ppq_status dispatch(const ppq_graph *g, const bool *quantizable, ppq_place *place,
                           const char **reason, ppq_arena *scratch, ppq_diag *d)
{
    (void) d;
    (void) scratch;
    for (size_t i = 0; i < g->n_ops; i++) {
        place[i] = quantizable[i] ? PPQ_PLACE_QUANT : PPQ_PLACE_FP32;
        reason[i] = quantizable[i] ? "its type can be quantized" : ppq_reason_type;
    }
    return PPQ_OK;
}

const ppq_dispatcher ppq_dispatcher_allin = {
    .name = "allin",
    .summary = "every op of a type that the platform can quantize",
    .dispatch = dispatch,
};
