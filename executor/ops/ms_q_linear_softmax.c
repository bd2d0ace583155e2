#include "executor/ops/stored.h"

// Softmax on stored integers. Below opset 13 it went over everything behind the axis too, which is
// the same for the last axis only.

static const ppq_stored_op stored = { "Softmax", { { 0, 1, 2 } }, 1, 3, 4 };

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_stored_op(c, &stored);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const int rank = c->in[0]->shape.rank;
    int axis;
    if (ppq_op_attr_int(c->op, "opset", 13) < 13 &&
        ppq_axis_normalize(ppq_op_attr_int(c->op, "axis", -1), rank, &axis) && axis != rank - 1)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED,
                               "softmax over several dimensions is not supported");
    return ppq_run_stored_op(c, &stored);
}

const ppq_op_def ppq_op_ms_q_linear_softmax = MICROSOFT_DEF("QLinearSoftmax", 5, 5);
