#ifndef PPQ_EXPORTER_LINEAR_H
#define PPQ_EXPORTER_LINEAR_H

#include "core/op_def.h"

// Questions about QuantizeLinear ("Q") and DequantizeLinear ("DQ") ops in a graph.

static inline bool ppq_is_q(const ppq_op *op)
{
    return op && ppq_op_is(op, "QuantizeLinear");
}

static inline bool ppq_is_dq(const ppq_op *op)
{
    return op && ppq_op_is(op, "DequantizeLinear");
}

// The op that makes input k; NULL for graph inputs, constants and slots that are empty.
static inline ppq_op *ppq_maker(const ppq_op *op, int32_t k)
{
    return k < op->n_in && op->in[k] ? op->in[k]->producer.op : NULL;
}

// The one Q that takes a tensor which nobody else reads, or NULL.
static inline ppq_op *ppq_q_behind(const ppq_var *v)
{
    return v && v->n_uses == 1 && !v->is_output && ppq_is_q(v->uses[0].op) ? v->uses[0].op : NULL;
}

// Whether input k of both is the same constant, or missing in both.
static inline bool ppq_same_constant(const ppq_op *a, const ppq_op *b, int32_t k)
{
    const ppq_var *x = k < a->n_in ? a->in[k] : NULL, *y = k < b->n_in ? b->in[k] : NULL;
    return x == y ||
           (ppq_var_is_const(x) && ppq_var_is_const(y) && ppq_tensor_equal(&x->value, &y->value));
}

// Whether two Q or DQ ops have the same scale and zero point.
static inline bool ppq_same_grid(const ppq_op *a, const ppq_op *b)
{
    return ppq_same_constant(a, b, 1) && ppq_same_constant(a, b, 2);
}

#endif
