#ifndef PPQ_EXECUTOR_OPS_FUSED_H
#define PPQ_EXECUTOR_OPS_FUSED_H

#include "executor/ops/real.h"
#include "executor/ops/stored.h"

// An operator of ONNX on the first three inputs, plus input `sum` (negative: none), then an
// activation that an attribute names.
ppq_status ppq_infer_fused(ppq_infer_ctx *c, const char *inner);
ppq_status ppq_run_fused(ppq_kernel_ctx *c, const char *inner, int sum);

#define FUSED(inner, sum)                        \
    static ppq_status infer(ppq_infer_ctx *c)    \
    {                                            \
        return ppq_infer_fused(c, inner);        \
    }                                            \
    static ppq_status run(ppq_kernel_ctx *c)     \
    {                                            \
        return ppq_run_fused(c, inner, sum);     \
    }                                            \
    static ppq_status forward(ppq_kernel_ctx *c) \
    {                                            \
        return ppq_run_widened(c, run);          \
    }

#endif
