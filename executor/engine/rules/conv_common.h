#ifndef PPQ_EXECUTOR_ENGINE_RULES_CONV_COMMON_H
#define PPQ_EXECUTOR_ENGINE_RULES_CONV_COMMON_H

#include "executor/engine/rules/operands.h"
#include "executor/ops/conv_shape.h"

// What the rules for convolutions share.

// Reads the op: shape, operands, chain, biases. Integers are weighed against float when `weigh`.
PPQ_NODISCARD ppq_status ppq_conv_describe(ppq_operands *o, ppq_conv_shape *shape,
                                           ppq_chain_cut cut, bool weigh);
// A source of this shape, channels-last, and weights in ONNX's order, through oneDNN.
PPQ_NODISCARD ppq_status ppq_conv_emit(ppq_operands *o, const ppq_conv_shape *shape,
                                       const ppq_dnnl_window *window, const ppq_shape *src,
                                       const ppq_tensor *weights);
// The same on the op's own operands by a kernel of our own; PPQ_ERR_UNSUPPORTED where none
// wins.
PPQ_NODISCARD ppq_status ppq_conv_emit_own(ppq_operands *o, const ppq_conv_shape *shape);

// The same as ppq_conv_emit by our own exact kernel; PPQ_ERR_UNSUPPORTED where it can not.
PPQ_NODISCARD ppq_status ppq_conv_emit_q8(ppq_operands *o, const ppq_conv_shape *shape,
                                          const ppq_dnnl_window *window, const ppq_shape *src,
                                          const ppq_tensor *weights, double macs);

// Whether oneDNN has only its general implementation for that, which unfolds the whole image first,
// however ppq_conv_emit prepares the operands.
bool ppq_conv_is_general(const ppq_operands *o, const ppq_conv_shape *shape,
                         const ppq_dnnl_window *window, const ppq_shape *src,
                         const ppq_tensor *weights);

#endif
