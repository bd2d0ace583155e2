#ifndef PPQ_PASSES_PATTERN_H
#define PPQ_PASSES_PATTERN_H

#include <math.h>

#include "passes/rewrite.h"

// Recognizing expressions by walking back from their last op.

// The op of this type that computes input `slot`, or NULL.
static inline ppq_op *ppq_input_op(const ppq_op *op, int32_t slot, const char *type)
{
    ppq_op *p = slot < op->n_in && op->in[slot] ? op->in[slot]->producer.op : NULL;
    return p && ppq_op_is(p, type) ? p : NULL;
}

// The same, for a value that nobody else needs, `n` uses in all.
static inline ppq_op *ppq_private_input(const ppq_op *op, int32_t slot, const char *type, int n)
{
    ppq_op *p = ppq_input_op(op, slot, type);
    return p && op->in[slot]->n_uses == n && !op->in[slot]->is_output ? p : NULL;
}

static inline bool ppq_input_near(const ppq_op *op, int32_t slot, double value)
{
    double v;
    return slot < op->n_in && ppq_var_is_const(op->in[slot]) &&
           ppq_const_scalar(&op->in[slot]->value, &v) && fabs(v - value) <= 1e-4 * fabs(value);
}

// For ops whose two inputs may be swapped: the slot that holds the constant `value`, or -1.
static inline int32_t ppq_slot_near(const ppq_op *op, double value)
{
    return op->n_in != 2                  ? -1
           : ppq_input_near(op, 0, value) ? 0
           : ppq_input_near(op, 1, value) ? 1
                                          : -1;
}

// `op` becomes the whole expression: its type and inputs are replaced; what it read before dies if
// nobody else reads it.
ppq_op *ppq_replace_op(ppq_graph *g, ppq_op *op, const char *type, ppq_var *const *in,
                       int32_t n_in);
// Removes ops whose outputs nobody reads any more, from `v`'s producer upwards.
void ppq_remove_unread(ppq_graph *g, ppq_var *v);

#endif
