#ifndef PPQ_EXECUTOR_OPS_DOUBLED_H
#define PPQ_EXECUTOR_OPS_DOUBLED_H

#include "executor/ops/args.h"

// Rarely used operators over real numbers are written once, for float64. Calls `run` with float64
// copies in place of all inputs and outputs of other float types; integers stay. Every output must
// have been allocated; it is an error of the model when infer could not tell its size.
ppq_status ppq_run_doubled(ppq_kernel_ctx *c, ppq_status (*run)(ppq_kernel_ctx *c));

static inline double *ppq_f64(const ppq_tensor *t)
{
    return ppq_tensor_data(t);
}

// The attribute `name` as `n` integers, all `fallback` when it is absent.
ppq_status ppq_args_attr_ints(const ppq_args *a, const char *name, int64_t n, int64_t fallback,
                              int64_t *out);

#endif
