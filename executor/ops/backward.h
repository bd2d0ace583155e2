#ifndef PPQ_EXECUTOR_OPS_BACKWARD_H
#define PPQ_EXECUTOR_OPS_BACKWARD_H

#include "core/op_def.h"

// Pieces of backward passes. All of them are float32, fill only what is wanted, and give the same
// bits for any number of threads. Outputs of forward are calculated anew where they are needed.

// The operator as forward sees it, without outputs: what works out its geometry there
// (executor/ops/args.h) does so here. *idle: every gradient is zero, or none is wanted.
// PPQ_ERR_UNSUPPORTED when one is wanted of an input that is not float32.
ppq_status ppq_backward_begin(const ppq_backward_ctx *c, ppq_kernel_ctx *k, bool *idle);

// The gradient of input i to be filled; NULL when it is not wanted or has no elements.
float *ppq_grad_in(const ppq_backward_ctx *c, int i);
// The gradient of output i; NULL where it is zero.
static inline const float *ppq_grad_out(const ppq_backward_ctx *c, int i)
{
    return c->grad_out[i] ? ppq_f32(c->grad_out[i]) : NULL;
}

// A temporary float32 tensor; the caller unrefs it.
PPQ_NODISCARD ppq_status ppq_backward_temp(ppq_kernel_ctx *k, const ppq_shape *s, ppq_tensor *out);

// dst = factor * src, of shape `from`, summed over the dimensions in which dst is broadcast to it.
ppq_status ppq_sum_to(ppq_kernel_ctx *k, const float *src, const ppq_shape *from, double factor,
                      ppq_tensor *dst);

// ---- whole backward passes ------------------------------------------------------------------

// Operators that keep the elements of input 0 in their order.
ppq_status ppq_backward_copy(ppq_backward_ctx *c);
// Operators that add inputs which are broadcast to the output; one of them is fine.
ppq_status ppq_backward_sum(ppq_backward_ctx *c);
// Operators whose output elements are each an element of some float32 input, or none of them, and
// whose forward takes integers in their place.
ppq_status ppq_backward_moved(ppq_backward_ctx *c);

#endif
