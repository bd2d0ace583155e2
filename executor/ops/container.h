#ifndef PPQ_EXECUTOR_OPS_CONTAINER_H
#define PPQ_EXECUTOR_OPS_CONTAINER_H

#include "executor/ops/args.h"

// Sequences and optionals (core/tensor.h). Infer tells the type of an output that is one and never
// its length; forward makes it.

// Every output is a sequence.
ppq_status ppq_infer_sequences(ppq_infer_ctx *c);

// Items of input `slot`, which must be a sequence; borrowed.
ppq_status ppq_run_items(ppq_kernel_ctx *c, int slot, const ppq_tensor **items, int64_t *n);
// The scalar input `slot` as a position among n: [-n, n) or, with `end`, [-n, n]. `fallback` when
// it is left out.
ppq_status ppq_run_position(ppq_kernel_ctx *c, int slot, int64_t n, bool end, int64_t fallback,
                            int64_t *out);
// Output `slot` is `t`; shares it.
void ppq_run_pass(ppq_kernel_ctx *c, int slot, const ppq_tensor *t);
// Output `slot` is a container of these items, whose references are taken.
ppq_status ppq_run_pack(ppq_kernel_ctx *c, int slot, ppq_dtype dt, ppq_tensor *take_items,
                        int64_t n);

#endif
