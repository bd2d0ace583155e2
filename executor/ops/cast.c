#include "executor/ops/cast.h"

// Y = X as the type `to`

static ppq_dtype target(const ppq_op *op)
{
    const int64_t to = ppq_op_attr_int(op, "to", 0);
    return to > 0 && to < PPQ_DT_ONNX_END ? (ppq_dtype) to : PPQ_DT_NONE;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    if (target(c->op) == PPQ_DT_NONE)
        return ppq_infer_fail(c, "to is %lld, which is no element type",
                              (long long) ppq_op_attr_int(c->op, "to", 0));
    return ppq_infer_cast(c, target(c->op));
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_cast(c, target(c->op));
}

const ppq_op_def ppq_op_cast = {
    .type = "Cast",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
