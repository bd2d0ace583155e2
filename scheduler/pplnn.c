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
    static const char outside[] = "not between convolutions";
    static const ppq_region_policy policy = {
        .quant_start = is_conv,
        .quant_end = is_conv,
        .quant_relay = through_quantizable,
        .computing_ends_soi = true,
        .why_quant = "a convolution, or between convolutions",
        .why_contested = outside,
        .why_outside = outside,
    };
    const ppq_trace t = { g, quantizable, scratch };
    ppq_dispatch_regions(&t, &policy, place, reason);
    return PPQ_OK;
}

const ppq_dispatcher ppq_dispatcher_pplnn = {
    .name = "pplnn",
    .summary = "convolutions and what lies between them in int8, the rest in float",
    .dispatch = dispatch,
};
