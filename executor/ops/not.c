#include "executor/ops/unary.h"

// Y = not X
UNARY_LOOP(BOOL, uint8_t, x == 0)
static const ppq_unary_loop loops[PPQ_DT_COUNT] = { [PPQ_DT_BOOL] = loop_BOOL };

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_unary_run(c, loops, 0, 0);
}

const ppq_op_def ppq_op_not = {
    .type = "Not",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS | PPQ_OP_LAYOUT_FREE,
    .fp32_out = 1,
    .infer = ppq_infer_same,
    .forward = forward,
};
