#ifndef PPQ_SCHEDULER_REGIONS_H
#define PPQ_SCHEDULER_REGIONS_H

#include "scheduler/trace.h"

// The three regions every policy is built from:
//  computed  what computing ops (Conv, Gemm, ...) yield and all that extends it, within reach of
//            `end_of_quantizable`
//  soi       what makes shapes and indices
//  contested ops in both
typedef struct ppq_regions {
    ppq_op_set quantizable, extended, soi;
} ppq_regions;

// `chain_end` ends the search for quantizable ops; `relay` is its step.
typedef struct ppq_region_policy {
    ppq_op_pred quant_start, quant_end;
    ppq_step_pred quant_relay;
    bool computing_ends_soi; // searches for shape ops also end at computing ops
    // Why ppq_dispatch_regions puts an op where it is: in the quantizable region, in it but for the
    // shape or index it also makes, outside.
    const char *why_quant, *why_contested, *why_outside;
} ppq_region_policy;

ppq_regions ppq_find_regions(const ppq_trace *t, const ppq_region_policy *p);

// A policy that goes by its regions alone: soi, if nothing computed extends to it, before
// quantizable.
void ppq_dispatch_regions(const ppq_trace *t, const ppq_region_policy *p, ppq_place *place,
                          const char **reason);

// For any context.
bool ppq_pred_computing(const void *ctx, const ppq_op *op);
bool ppq_pred_generator(const void *ctx, const ppq_op *op); // of shapes and indices

// Last step of every policy: Shape, TopK, NonMaxSuppression and activations go where the op that
// feeds them is.
void ppq_follow_sources(const ppq_trace *t, ppq_place *place, const char **reason);

extern const char ppq_reason_computed[], ppq_reason_soi[], ppq_reason_type[],
    ppq_reason_unreached[], ppq_reason_contested[], ppq_reason_follows[];

#endif
