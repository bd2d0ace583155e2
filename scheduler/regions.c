#include "scheduler/regions.h"

const char ppq_reason_computed[] = "carries values of a computing op";
const char ppq_reason_soi[] = "makes a shape or an index";
const char ppq_reason_type[] = "the platform does not quantize this type";
const char ppq_reason_unreached[] = "not between quantizable computing ops";
const char ppq_reason_contested[] = "contested: fed by computed values and by a shape or index";
const char ppq_reason_follows[] = "runs where the op that feeds it runs";

typedef struct query {
    const ppq_trace *t;
    const ppq_op_set *receivers, *quantizable, *soi;
    bool computing_ends;
} query;

bool ppq_pred_computing(const void *ctx, const ppq_op *op)
{
    (void) ctx;
    return ppq_op_has_trait(op, PPQ_OP_COMPUTE);
}

bool ppq_pred_generator(const void *ctx, const ppq_op *op)
{
    (void) ctx;
    return ppq_op_is_soi_generator(op);
}

static bool extended_end(const void *trace, const ppq_op *op)
{
    (void) trace;
    return ppq_op_is_soi_source(op) || ppq_op_is_boundary(op);
}

// Where the search for shape ops ends in either direction.
static bool leaves_soi(const query *q, const ppq_op *op)
{
    return q->quantizable->has[op->id] || ppq_op_is_boundary(op) ||
           (q->computing_ends && ppq_op_has_trait(op, PPQ_OP_COMPUTE));
}

static bool soi_end(const void *ctx, const ppq_op *op)
{
    const query *q = ctx;
    return q->receivers->has[op->id] || leaves_soi(q, op);
}

static bool soi_not_shape(const void *ctx, const ppq_op *op)
{
    const query *q = ctx;
    return q->soi->has[op->id] && !ppq_op_is(op, "Shape");
}

static bool soi_back_end(const void *ctx, const ppq_op *op)
{
    const query *q = ctx;
    return q->soi->has[op->id] || leaves_soi(q, op);
}

static void drop_computed(const ppq_trace *t, ppq_op_set *s, const ppq_op_set *quantizable)
{
    for (size_t i = 0; i < t->g->n_ops; i++)
        if (quantizable->has[i] || ppq_op_has_trait(t->g->ops[i], PPQ_OP_COMPUTE))
            ppq_op_set_remove(s, t->g->ops[i]);
}

ppq_regions ppq_find_regions(const ppq_trace *t, const ppq_region_policy *p)
{
    ppq_regions r = { .soi = ppq_op_set_new(t) };
    const ppq_op_set receivers = ppq_soi_receivers(t);
    ppq_op_set_union(t, &r.soi, &receivers);

    r.quantizable = ppq_trace_paths(t, p->quant_start, p->quant_relay, p->quant_end, t, PPQ_DOWN);
    for (size_t i = 0; i < t->g->n_ops; i++)
        if (!t->quantizable[i])
            ppq_op_set_remove(&r.quantizable, t->g->ops[i]);
    r.extended = ppq_trace_paths(t, ppq_pred_computing, ppq_step_value, extended_end, t, PPQ_DOWN);

    const query q = { t, &receivers, &r.quantizable, &r.soi, p->computing_ends_soi };
    ppq_op_set forth =
        ppq_trace_paths(t, ppq_pred_generator, ppq_step_value, soi_end, &q, PPQ_DOWN);
    drop_computed(t, &forth, &r.quantizable);
    ppq_op_set_union(t, &r.soi, &forth);
    for (;;) {
        ppq_op_set back =
            ppq_trace_paths(t, soi_not_shape, ppq_step_value_reverse, soi_back_end, &q, PPQ_UP);
        drop_computed(t, &back, &r.quantizable);
        if (!ppq_op_set_union(t, &r.soi, &back))
            return r;
    }
}

void ppq_dispatch_regions(const ppq_trace *t, const ppq_region_policy *p, ppq_place *place,
                          const char **reason)
{
    const ppq_regions r = ppq_find_regions(t, p);
    for (size_t i = 0; i < t->g->n_ops; i++) {
        if (r.soi.has[i] && !r.extended.has[i]) {
            place[i] = PPQ_PLACE_SOI;
            reason[i] = ppq_reason_soi;
        } else if (r.quantizable.has[i]) {
            place[i] = PPQ_PLACE_QUANT;
            reason[i] = p->why_quant;
        } else {
            place[i] = PPQ_PLACE_FP32;
            reason[i] = !t->quantizable[i] ? ppq_reason_type
                        : r.soi.has[i]     ? p->why_contested
                                           : p->why_outside;
        }
    }
    ppq_follow_sources(t, place, reason);
}

void ppq_follow_sources(const ppq_trace *t, ppq_place *place, const char **reason)
{
    for (size_t i = 0; i < t->g->n_ops; i++) {
        const ppq_op *op = t->g->ops[i];
        const bool source = ppq_op_is_soi_source(op);
        if (!source && !ppq_op_has_trait(op, PPQ_OP_ACTIVATION))
            continue;
        const ppq_op *from = ppq_op_source(op, 0);
        if (!from && !source)
            continue;
        ppq_place to = from ? place[from->id] : PPQ_PLACE_FP32;
        if (to == PPQ_PLACE_QUANT && !t->quantizable[i])
            to = PPQ_PLACE_FP32;
        if (to != place[i])
            reason[i] = ppq_reason_follows;
        place[i] = to;
    }
}
