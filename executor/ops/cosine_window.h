#ifndef PPQ_EXECUTOR_OPS_COSINE_WINDOW_H
#define PPQ_EXECUTOR_OPS_COSINE_WINDOW_H

#include "executor/ops/args.h"

// Windows for signals that are a sum of cosines: w[i] = a0 - a1 cos(2 pi i / N) + a2 cos(4 pi i /
// N).
ppq_status ppq_infer_cosine_window(ppq_infer_ctx *c);
ppq_status ppq_run_cosine_window(ppq_kernel_ctx *c, const double *a);

// An operator file gives the three coefficients.
#define COSINE_WINDOW(...)                                                \
    static ppq_status forward(ppq_kernel_ctx *c)                          \
    {                                                                     \
        return ppq_run_cosine_window(c, (const double[]){ __VA_ARGS__ }); \
    }
#define COSINE_WINDOW_DEF(op_type)                                                                \
    {                                                                                             \
        .type = (op_type), .domain = "", .opset_min = 17, .in_min = 1, .in_max = 1, .out_min = 1, \
        .out_max = 1, .traits = PPQ_OP_NO_LINKS, .soi_in = 0x1 /* size */,                        \
        .infer = ppq_infer_cosine_window, .forward = forward                                      \
    }

#endif
