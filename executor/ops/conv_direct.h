#ifndef PPQ_EXECUTOR_OPS_CONV_DIRECT_H
#define PPQ_EXECUTOR_OPS_CONV_DIRECT_H

#include "executor/ops/conv_shape.h"
#include "executor/ops/real.h"

// The plain convolution. All operands are dense and of type `dt`: float32, float64 or int32 (which
// wraps). bias may be NULL.
ppq_status ppq_conv_direct(ppq_kernel_ctx *c, const ppq_conv_shape *s, ppq_dtype dt, const void *x,
                           const void *w, const void *bias, void *y);
// The whole forward of Conv and ConvTranspose over float32 and float64.
ppq_status ppq_conv_float(ppq_kernel_ctx *c, bool transposed);
// And the whole backward.
ppq_status ppq_conv_backward(ppq_backward_ctx *c, bool transposed);

// Defines `infer`, `forward` and `backward` of either.
#define CONV(transposed)                               \
    static ppq_status infer(ppq_infer_ctx *c)          \
    {                                                  \
        PPQ_TRY(ppq_infer_floats(c, 2, 3));            \
        c->out_dtype[0] = c->in_dtype[0];              \
        return ppq_conv_infer(c, transposed, 0, 1, 2); \
    }                                                  \
    static ppq_status run(ppq_kernel_ctx *c)           \
    {                                                  \
        return ppq_conv_float(c, transposed);          \
    }                                                  \
    static ppq_status forward(ppq_kernel_ctx *c)       \
    {                                                  \
        return ppq_run_widened(c, run);                \
    }                                                  \
    static ppq_status backward(ppq_backward_ctx *c)    \
    {                                                  \
        return ppq_conv_backward(c, transposed);       \
    }

#define CONV_DEF(op_type)                                                                        \
    {                                                                                            \
        .type = (op_type), .domain = "", .opset_min = 1, .in_min = 2, .in_max = 3, .out_min = 1, \
        .out_max = 1, .traits = PPQ_OP_COMPUTE, .infer = infer, .forward = forward,              \
        .backward = backward                                                                     \
    }

#endif
