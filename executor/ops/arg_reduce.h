#ifndef PPQ_EXECUTOR_OPS_ARG_REDUCE_H
#define PPQ_EXECUTOR_OPS_ARG_REDUCE_H

#include "core/op_def.h"

// ArgMax, ArgMin and Hardmax: where along an axis the extreme element is.

ppq_status ppq_infer_arg(ppq_infer_ctx *c);
ppq_status ppq_run_arg(ppq_kernel_ctx *c, bool smallest);

// For [outer, n, inner] input, writes [outer, inner] positions. n is at least 1.
ppq_status ppq_find_extremes(ppq_kernel_ctx *c, bool smallest, bool last, int64_t outer, int64_t n,
                             int64_t inner, int64_t *at);

#define ARG_DEF(op_type)                                                                         \
    {                                                                                            \
        .type = (op_type), .domain = "", .opset_min = 1, .in_min = 1, .in_max = 1, .out_min = 1, \
        .out_max = 1, .traits = PPQ_OP_NO_LINKS, .fp32_out = 0x1, .infer = ppq_infer_arg,        \
        .forward = forward                                                                       \
    }

#endif
