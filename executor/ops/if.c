#include "executor/ops/args.h"
#include "executor/subgraph.h"

// Runs one of two graphs, chosen by a boolean. Its outputs may differ in type and shape between the
// two, so nothing is inferred.

static ppq_status infer(ppq_infer_ctx *c)
{
    (void) c;
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *condition = c->in[0];
    const ppq_subgraph *branch;
    if (condition->dtype != PPQ_DT_BOOL || ppq_shape_numel(&condition->shape) != 1)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the condition is not one boolean");
    const bool yes = *(const uint8_t *) ppq_tensor_data(condition) != 0;
    PPQ_TRY(ppq_subgraph_find(c, yes ? "then_branch" : "else_branch", &branch));
    const int32_t n_in = ppq_subgraph_n_in(branch), n_out = ppq_subgraph_n_out(branch);
    if (n_in != 0 || n_out != c->op->n_out)
        return ppq_kernel_fail(c, PPQ_ERR_MODEL,
                               "a branch has %d inputs and %d outputs, expected 0 and %d", n_in,
                               n_out, c->op->n_out);
    return ppq_subgraph_run(c, branch, NULL, c->out);
}

const ppq_op_def ppq_op_if = {
    .type = "If",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = -1,
    .traits = PPQ_OP_NO_LINKS | PPQ_OP_RANDOM, // a graph may hold anything
    .fp32_in = 0x1,                            // condition
    .infer = infer,
    .forward = forward,
};
