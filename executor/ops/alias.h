#ifndef PPQ_EXECUTOR_OPS_ALIAS_H
#define PPQ_EXECUTOR_OPS_ALIAS_H

#include "core/op_def.h"

// Operators of domain com.microsoft that are what an operator of ONNX has become since.

enum { ALIAS_OPSET = 21 };

#define ALIAS(name)                              \
    extern const ppq_op_def ppq_op_##name;       \
    static ppq_status infer(ppq_infer_ctx *c)    \
    {                                            \
        ppq_infer_ctx as = *c;                   \
        as.opset = ALIAS_OPSET;                  \
        return ppq_op_##name.infer(&as);         \
    }                                            \
    static ppq_status forward(ppq_kernel_ctx *c) \
    {                                            \
        ppq_kernel_ctx as = *c;                  \
        as.opset = ALIAS_OPSET;                  \
        return ppq_op_##name.forward(&as);       \
    }

#endif
