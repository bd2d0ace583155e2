#ifndef PPQ_EXECUTOR_OPS_GELU_LIKE_H
#define PPQ_EXECUTOR_OPS_GELU_LIKE_H

#include <math.h>

#include "executor/ops/stored.h"

// Y = f(X + bias), with a bias along the last dimension that may be left out. `alpha` is the
// attribute of that name.
ppq_status ppq_infer_gelu_like(ppq_infer_ctx *c);
ppq_status ppq_run_gelu_like(ppq_kernel_ctx *c, double (*f)(double x, double alpha));

// An operator file gives an expression of x and alpha.
#define GELU_LIKE(...)                                              \
    static double f(double x, double alpha __attribute__((unused))) \
    {                                                               \
        return (__VA_ARGS__);                                       \
    }                                                               \
    static ppq_status infer(ppq_infer_ctx *c)                       \
    {                                                               \
        return ppq_infer_gelu_like(c);                              \
    }                                                               \
    static ppq_status forward(ppq_kernel_ctx *c)                    \
    {                                                               \
        return ppq_run_gelu_like(c, f);                             \
    }

#endif
