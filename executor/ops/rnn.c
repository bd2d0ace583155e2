#include "executor/ops/real.h"
#include "executor/ops/recurrent.h"

// h' = f(x W' + Wb + h R' + Rb).
static void cell(const ppq_cell *c, const ppq_op *op)
{
    (void) op;
    for (int64_t i = 0; i < c->net->hidden; i++)
        c->h[i] = c->gates[i] + c->carried[i] + (c->r_bias ? c->r_bias[i] : 0);
    ppq_cell_apply(c, c->h, &c->fn[0]);
}

static const ppq_recurrent_type type = {
    .n_gates = 1,
    .n_activations = 1,
    .activations = (const char *const[]){ "Tanh" },
    .cell = cell,
};

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_recurrent_infer(c, &type);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    return ppq_recurrent_run(c, &type);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_rnn = {
    .type = "RNN",
    .domain = "",
    .opset_min = 1,
    .in_min = 3,
    .in_max = 6,
    .out_min = 1,
    .out_max = 2,
    .fp32_in = 0x10, // sequence_lens
    .infer = infer,
    .forward = forward,
};
