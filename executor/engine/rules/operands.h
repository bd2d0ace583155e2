#ifndef PPQ_EXECUTOR_ENGINE_RULES_OPERANDS_H
#define PPQ_EXECUTOR_ENGINE_RULES_OPERANDS_H

#include "executor/engine/chain.h"

// What rules for products share: the operands of a convolution or matrix product, in float or on
// integers, with its bias and what follows it.
typedef struct ppq_operands {
    ppq_plan *p;
    const ppq_op *op;
    const ppq_var *x;       // the input when float
    int32_t source, target; // values to read and write, where the rule made them
    bool has_source, has_target;
    bool plain_source; // the input is read in plain layout
    ppq_chain chain;
    bool int8;
    bool saturates; // in oneDNN's sums, on this CPU
    bool has_exact; // set by the rule before init: it has a kernel that does not saturate
    bool exact;     // which is to be used
    ppq_grid src;        // when int8
    ppq_weights weights; // when int8
    ppq_tensor real;     // weights when float; owned
    float *bias;         // [channels] in real units; NULL: none
    int64_t channels;
} ppq_operands;

// Chooses between integers and float. The weights of variable `w` must have their scales along
// `out_axis`; sums run along `sum_axis`. PPQ_ERR_UNSUPPORTED when the weights are not constant.
PPQ_NODISCARD ppq_status ppq_operands_init(ppq_operands *o, const ppq_var *x, const ppq_var *w,
                                           int out_axis, int sum_axis);
// Goes back to float when, with what follows now known, quantizing the input and leaving the
// integers again costs more than this many multiplications save. The input is then clamped to the
// range of its integers, as that may stand for an activation, but not rounded. `want`: how it is
// read.
PPQ_NODISCARD ppq_status ppq_operands_weigh(ppq_operands *o, const ppq_var *w, ppq_want want,
                                            double macs);
void ppq_operands_fini(ppq_operands *o);
// Adds a constant per channel; true for NULL, false if it is not constant.
bool ppq_operands_add_bias(ppq_operands *o, const ppq_var *v);
// In the chain's unit. Points into *o.
ppq_dnnl_quant ppq_operands_quant(const ppq_operands *o);
ppq_dtype ppq_operands_src_type(const ppq_operands *o);
ppq_dtype ppq_operands_dst_type(const ppq_operands *o);
const ppq_tensor *ppq_operands_weights(const ppq_operands *o);
const ppq_var *ppq_operands_src(const ppq_operands *o); // the integers, or the input itself
// Reads the input, makes the output and the step, with weights and bias packed and everything
// bound. Takes the operation over, also on failure.
PPQ_NODISCARD ppq_status ppq_operands_emit(ppq_operands *o, const char *kernel,
                                           ppq_dnnl_op *take_dnnl, const ppq_tensor *weights,
                                           const ppq_dnnl_md *weights_md, ppq_layout layout,
                                           double macs);
// The same by our own exact kernel, of rows of a product. PPQ_ERR_UNSUPPORTED where it can not.
PPQ_NODISCARD ppq_status ppq_linear_emit_q8(ppq_operands *o, int64_t rows, int64_t in, int64_t out,
                                            bool transposed, const ppq_tensor *weights);

#endif
