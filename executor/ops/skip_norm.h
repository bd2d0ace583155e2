#ifndef PPQ_EXECUTOR_OPS_SKIP_NORM_H
#define PPQ_EXECUTOR_OPS_SKIP_NORM_H

#include "executor/ops/doubled.h"

// Y = normalize(X + skip + bias) * scale + shift over the last dimension; outputs: Y, mean,
// 1 / deviation, the sum.

typedef struct ppq_skip_norm {
    bool rms;               // no mean
    int scale, shift, bias; // slots; negative: none
} ppq_skip_norm;

ppq_status ppq_infer_skip_norm(ppq_infer_ctx *c);
ppq_status ppq_run_skip_norm(ppq_kernel_ctx *c, const ppq_skip_norm *s);

#define SKIP_NORM(...)                                                \
    static ppq_status run(ppq_kernel_ctx *c)                          \
    {                                                                 \
        return ppq_run_skip_norm(c, &(ppq_skip_norm){ __VA_ARGS__ }); \
    }                                                                 \
    static ppq_status forward(ppq_kernel_ctx *c)                      \
    {                                                                 \
        return ppq_run_doubled(c, run);                               \
    }
#define SKIP_NORM_DEF(op_type, most)                                                \
    {                                                                               \
        .type = (op_type), .domain = "com.microsoft", .opset_min = 1, .in_min = 3,  \
        .in_max = (most), .out_min = 1, .out_max = 4, .infer = ppq_infer_skip_norm, \
        .forward = forward                                                          \
    }

#endif
