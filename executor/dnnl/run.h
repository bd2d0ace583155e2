#ifndef PPQ_EXECUTOR_DNNL_RUN_H
#define PPQ_EXECUTOR_DNNL_RUN_H

#include "core/op_def.h"
#include "executor/dnnl/compat.h"
#include "executor/ops/window.h"

// What the kernels share.

// Runs `op` on the bound arguments, with scratch memory from the pool.
ppq_status ppq_dnnl_forward(ppq_kernel_ctx *c, const ppq_dnnl_op *op, const ppq_dnnl_bind *bind,
                            int n);
// A kernel state that is nothing but an operation: input 0 to output 0.
ppq_status ppq_dnnl_forward_unary(const void *op, ppq_kernel_ctx *c);
void ppq_dnnl_release(void *op);

// Every present input and every output is a float32 tensor with elements.
bool ppq_spec_is_f32(const ppq_kernel_spec *s);
// The same, and input 0 will come channels-last.
bool ppq_spec_is_f32_last(const ppq_kernel_spec *s);
// Input `i`'s value when it never changes, NULL otherwise.
const ppq_tensor *ppq_spec_const(const ppq_kernel_spec *s, int i);
bool ppq_spec_has(const ppq_kernel_spec *s, int i);

// With `pad_hi` such that the last window ends where the library expects it.
ppq_dnnl_window ppq_dnnl_window_of(const ppq_window *w, bool transposed);

#endif
