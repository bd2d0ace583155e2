#ifndef PPQ_EXECUTOR_OPS_CLASSIFY_H
#define PPQ_EXECUTOR_OPS_CLASSIFY_H

#include "core/op_def.h"

// IsNaN and IsInf: a bool per element of a float tensor of any width.

ppq_status ppq_infer_classify(ppq_infer_ctx *c);
ppq_status ppq_run_classify(ppq_kernel_ctx *c, bool (*test)(double v));

#define CLASSIFY_DEF(op_type, first_opset)                                                         \
    {                                                                                              \
        .type = (op_type), .domain = "", .opset_min = (first_opset), .in_min = 1, .in_max = 1,     \
        .out_min = 1, .out_max = 1, .traits = PPQ_OP_NO_LINKS | PPQ_OP_LAYOUT_FREE, .fp32_out = 1, \
        .infer = ppq_infer_classify, .forward = forward                                            \
    }

#endif
