#ifndef PPQ_EXECUTOR_OPS_CONV_DIRECT_H
#define PPQ_EXECUTOR_OPS_CONV_DIRECT_H

#include "executor/ops/conv_shape.h"

// The plain convolution. All operands are dense and of type `dt`: float32, float64 or int32 (which
// wraps). bias may be NULL.
ppq_status ppq_conv_direct(ppq_kernel_ctx *c, const ppq_conv_shape *s, ppq_dtype dt, const void *x,
                           const void *w, const void *bias, void *y);
// The whole forward of Conv and ConvTranspose over float32 and float64.
ppq_status ppq_conv_float(ppq_kernel_ctx *c, bool transposed);
// And the whole backward.
ppq_status ppq_conv_backward(ppq_backward_ctx *c, bool transposed);

#endif
