#ifndef PPQ_EXECUTOR_OPS_CONV_FLOAT_H
#define PPQ_EXECUTOR_OPS_CONV_FLOAT_H

#include "core/op_def.h"

// The plain convolution of float32 and float64: inputs x, w and an optional bias, output y.
ppq_status ppq_conv_float(ppq_kernel_ctx *c, bool transposed);

#endif
