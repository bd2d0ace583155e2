#ifndef PPQ_SCHEDULER_TRACE_H
#define PPQ_SCHEDULER_TRACE_H

#include "core/ext.h"

// Sets of ops and the searches that dispatchers are made of. All linear in the size of the graph.

typedef struct ppq_op_set {
    bool *has; // per op id
    size_t n;  // members
} ppq_op_set;

typedef struct ppq_trace {
    const ppq_graph *g;
    const bool *quantizable; // per op id
    ppq_arena *scratch;
} ppq_trace;

ppq_op_set ppq_op_set_new(const ppq_trace *t);
void ppq_op_set_add(ppq_op_set *s, const ppq_op *op);
void ppq_op_set_remove(ppq_op_set *s, const ppq_op *op);
// Adds all of b to a; returns how many were new.
size_t ppq_op_set_union(const ppq_trace *t, ppq_op_set *a, const ppq_op_set *b);

// A question about one op, or about a step to a neighbour, with data of the caller's.
typedef bool (*ppq_op_pred)(const void *ctx, const ppq_op *op);
typedef bool (*ppq_step_pred)(const void *ctx, const ppq_op *from, const ppq_op *to);
typedef enum ppq_direction { PPQ_DOWN, PPQ_UP } ppq_direction;

// All ops on a path that starts at an op of `start`, goes on while `relay` allows the step, and
// ends at the first op where `end` holds. A start is always left; a path that dies before an end
// contributes nothing.
ppq_op_set ppq_trace_paths(const ppq_trace *t, ppq_op_pred start, ppq_step_pred relay,
                           ppq_op_pred end, const void *ctx, ppq_direction dir);

// Steps along which values (not shapes or indices) flow.
bool ppq_step_value(const void *ctx, const ppq_op *from, const ppq_op *to);         // down
bool ppq_step_value_reverse(const void *ctx, const ppq_op *from, const ppq_op *to); // up

bool ppq_op_is_boundary(const ppq_op *op);      // no input has a producer, or no output a reader
bool ppq_op_is_soi_source(const ppq_op *op);    // Shape, TopK, NonMaxSuppression
bool ppq_op_is_soi_generator(const ppq_op *op); // also ConstantOfShape and constants kept as ops
// Producers of inputs that carry shapes, indices or other values that are never quantized.
ppq_op_set ppq_soi_receivers(const ppq_trace *t);
// The op that produces input `slot`, or NULL.
const ppq_op *ppq_op_source(const ppq_op *op, int32_t slot);

#endif
