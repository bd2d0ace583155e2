#include "scheduler/regions.h"

// Quantizes everything that computed values reach, contested ops included.

static bool end(const void *ctx, const ppq_op *op)
{
    (void) ctx;
    return ppq_op_is(op, "Shape") || ppq_op_is_soi_source(op) || ppq_op_is_boundary(op);
}

typedef struct query {
    const ppq_op_set *receivers, *quantized;
} query;

static bool forth_end(const void *ctx, const ppq_op *op)
{
    const query *q = ctx;
    return q->receivers->has[op->id] || q->quantized->has[op->id] || ppq_op_is_boundary(op);
}

static bool not_quantized(const void *ctx, const ppq_op *op)
{
    const query *q = ctx;
    return q->receivers->has[op->id] && !q->quantized->has[op->id];
}

static bool back_end(const void *ctx, const ppq_op *op)
{
    const query *q = ctx;
    return ppq_op_is_soi_generator(op) || q->quantized->has[op->id] || ppq_op_is_boundary(op);
}

static ppq_status dispatch(const ppq_graph *g, const bool *quantizable, ppq_place *place,
                           const char **reason, ppq_arena *scratch, ppq_diag *d)
{
    (void) d;
    const ppq_trace t = { g, quantizable, scratch };
    const ppq_op_set quantized =
        ppq_trace_paths(&t, ppq_pred_computing, ppq_step_value, end, &t, PPQ_DOWN);
    const ppq_op_set receivers = ppq_soi_receivers(&t);
    const query q = { &receivers, &quantized };
    ppq_op_set soi = ppq_op_set_new(&t);
    ppq_op_set_union(&t, &soi, &receivers);
    const ppq_op_set forth =
        ppq_trace_paths(&t, ppq_pred_generator, ppq_step_value, forth_end, &q, PPQ_DOWN);
    const ppq_op_set back =
        ppq_trace_paths(&t, not_quantized, ppq_step_value_reverse, back_end, &q, PPQ_UP);
    ppq_op_set_union(&t, &soi, &forth);
    ppq_op_set_union(&t, &soi, &back);
    for (size_t i = 0; i < g->n_ops; i++) {
        if (soi.has[i]) {
            place[i] = PPQ_PLACE_SOI;
            reason[i] = ppq_reason_soi;
        } else if (quantized.has[i]) {
            place[i] = quantizable[i] ? PPQ_PLACE_QUANT : PPQ_PLACE_FP32;
            reason[i] = quantizable[i] ? ppq_reason_computed : ppq_reason_type;
        } else {
            place[i] = PPQ_PLACE_FP32;
            reason[i] = ppq_reason_unreached;
        }
    }
    ppq_follow_sources(&t, place, reason);
    return PPQ_OK;
}

const ppq_dispatcher ppq_dispatcher_aggressive = {
    .name = "aggressive",
    .summary = "everything that computed values reach in int8, contested ops too",
    .dispatch = dispatch,
};
