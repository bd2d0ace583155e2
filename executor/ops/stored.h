#ifndef PPQ_EXECUTOR_OPS_STORED_H
#define PPQ_EXECUTOR_OPS_STORED_H

#include "executor/ops/args.h"

// Operators of domain com.microsoft, as ONNX Runtime's optimizer leaves them in a model: an
// operator of ONNX with something around it. Those on stored integers are defined as that operator
// on the real numbers which the integers stand for, in float64.

// Shape of the first output of ONNX operator `type` with the attributes of c->op; shapes of `n`
// inputs, all real numbers.
ppq_status ppq_inner_infer(ppq_infer_ctx *c, const char *type, const ppq_shape *in, int n,
                           ppq_shape *out);
// Its first output for `n` inputs (buf NULL: left out). The caller unrefs it.
PPQ_NODISCARD ppq_status ppq_inner_eval(ppq_kernel_ctx *c, const char *type, const ppq_tensor *in,
                                        int n, ppq_tensor *out);
// The same without attributes.
PPQ_NODISCARD ppq_status ppq_inner_eval_bare(ppq_kernel_ctx *c, const char *type,
                                             const ppq_tensor *in, int n, ppq_tensor *out);

// Slots of a stored tensor; a zero point that is left out is 0, a missing scale 1.
typedef struct ppq_stored_arg {
    int value, scale, zero;
    bool by_row; // scales and zero points are per row (first dimension) rather than per column
} ppq_stored_arg;

// As float64. Scale and zero point: one, or one per column (last dimension) or row.
PPQ_NODISCARD ppq_status ppq_stored_load(ppq_kernel_ctx *c, ppq_stored_arg a, ppq_tensor *out);
// Output 0, of integer type `dt` from float64 by one scale and zero point.
ppq_status ppq_stored_store(ppq_kernel_ctx *c, const ppq_tensor *real, ppq_dtype dt, int scale,
                            int zero);

// Quantize(inner(Dequantize(arg) ...)).
typedef struct ppq_stored_op {
    const char *inner;
    ppq_stored_arg arg[2];
    int n_args, scale, zero; // of the output
    bool check_layout;       // attribute channels_last must be 0
} ppq_stored_op;

ppq_status ppq_infer_stored_op(ppq_infer_ctx *c, const ppq_stored_op *s);
ppq_status ppq_run_stored_op(ppq_kernel_ctx *c, const ppq_stored_op *s);

#define STORED(...)                                      \
    static const ppq_stored_op stored = { __VA_ARGS__ }; \
    static ppq_status infer(ppq_infer_ctx *c)            \
    {                                                    \
        return ppq_infer_stored_op(c, &stored);          \
    }                                                    \
    static ppq_status forward(ppq_kernel_ctx *c)         \
    {                                                    \
        return ppq_run_stored_op(c, &stored);            \
    }

#define MICROSOFT_DEF(op_type, least, most)                                              \
    {                                                                                    \
        .type = (op_type), .domain = "com.microsoft", .opset_min = 1, .in_min = (least), \
        .in_max = (most), .out_min = 1, .out_max = 1, .infer = infer, .forward = forward \
    }

#endif
