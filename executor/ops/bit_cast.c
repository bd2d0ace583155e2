#include <inttypes.h>
#include <string.h>

#include "executor/ops/args.h"

// The same bits under another type of equal width.

static ppq_status infer(ppq_infer_ctx *c)
{
    const int64_t to = ppq_op_attr_int(c->op, "to", 0);
    const ppq_dtype from = c->in_dtype[0];
    if (!ppq_dtype_valid((int) PPQ_MAX(PPQ_MIN(to, PPQ_DT_ONNX_END), 0)) || to == PPQ_DT_STRING)
        return ppq_infer_fail(c, "to is %" PRId64 ", which is no type of numbers", to);
    if (from == PPQ_DT_STRING ||
        (from != PPQ_DT_NONE && ppq_dtype_bits(from) != ppq_dtype_bits((ppq_dtype) to)))
        return ppq_infer_fail(c, "%s has not the width of %s", ppq_dtype_name(from),
                              ppq_dtype_name((ppq_dtype) to));
    return ppq_infer_out(c, 0, (ppq_dtype) to, &c->in_shape[0]);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const size_t n = ppq_tensor_bytes(&c->out[0]);
    if (n)
        memcpy(ppq_tensor_data(&c->out[0]), ppq_tensor_data(c->in[0]), n);
    return PPQ_OK;
}

const ppq_op_def ppq_op_bit_cast = {
    .type = "BitCast",
    .domain = "",
    .opset_min = 26,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS,
    .infer = infer,
    .forward = forward,
};
