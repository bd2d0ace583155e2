#ifndef PPQ_PASSES_REWRITE_H
#define PPQ_PASSES_REWRITE_H

#include <string.h>

#include "core/ext.h"
#include "core/weight_layout.h"

// Small questions and edits that float rewrites share.

// The only op that reads `v`, or NULL when there are more, none, or `v` is a graph output.
static inline ppq_op *ppq_only_reader(const ppq_var *v)
{
    return v && v->n_uses == 1 && !v->is_output && v->uses[0].slot < v->uses[0].op->n_in
               ? v->uses[0].op
               : NULL;
}

// The constant float32 value of input `slot`, or NULL.
static inline const ppq_tensor *ppq_const_f32(const ppq_op *op, int32_t slot)
{
    if (slot >= op->n_in || !ppq_var_is_const(op->in[slot]))
        return NULL;
    const ppq_tensor *t = &op->in[slot]->value;
    return t->dtype == PPQ_DT_F32 ? t : NULL;
}

// Gives `op` a constant of its own in `slot`, named after the op. Takes the reference.
static inline void ppq_put_const(ppq_graph *g, ppq_op *op, int32_t slot, const char *what,
                                 ppq_tensor *take_value)
{
    if (slot >= op->n_in)
        ppq_graph_resize_inputs(g, op, slot + 1);
    char name[600];
    const size_t n = strlen(op->name);
    memcpy(name, op->name, PPQ_MIN(n, 500));
    name[PPQ_MIN(n, 500)] = 0;
    strncat(name, "_", 2);
    strncat(name, what, 50);
    ppq_graph_set_input(g, op, slot, ppq_graph_add_const(g, name, take_value));
}

// Joins `op` (one input of interest, one output) into the op before it: the earlier op then
// writes op's output. `prev` must have `op` as its only reader.
static inline void ppq_absorb_next(ppq_graph *g, ppq_op *prev, ppq_op *op)
{
    ppq_var *mid = prev->out[0], *out = op->out[0];
    ppq_graph_set_output(g, op, 0, NULL);
    ppq_graph_set_output(g, prev, 0, NULL);
    ppq_graph_set_output(g, prev, 0, out);
    ppq_graph_remove_op(g, op);
    mid->dead = mid->dead || (!mid->n_uses && !mid->is_output);
}

// Whether each op, by id, is needed for some output of the graph (passes/remove_identity.c). What
// is not needed may make no sense.
bool *ppq_needed_ops(const ppq_graph *g, ppq_arena *a);

// Shapes and types of one op's outputs from what is known of its inputs (passes/infer_shapes.c).
PPQ_NODISCARD ppq_status ppq_infer_op_shapes(ppq_graph *g, ppq_op *op, ppq_arena *scratch,
                                             ppq_diag *d);

#endif
