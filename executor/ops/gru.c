#include <string.h>

#include "executor/ops/real.h"
#include "executor/ops/recurrent.h"

enum { UPDATE, RESET, CANDIDATE };

// What the state gives to the candidate: (r * h) R' + Rb, or r * (h R' + Rb) with
// linear_before_reset.
static void carry_candidate(const ppq_cell *c, bool reset_after, const float *bias)
{
    const int64_t n = c->net->hidden;
    const float *reset = c->gates + RESET * n, *carried = c->carried + CANDIDATE * n;
    if (reset_after) {
        for (int64_t i = 0; i < n; i++)
            c->temp[i] = reset[i] * (carried[i] + (bias ? bias[i] : 0));
        return;
    }
    for (int64_t i = 0; i < n; i++)
        c->temp[i] = bias ? bias[i] : 0;
    for (int64_t k = 0; k < n; k++) {
        const float v = reset[k] * c->h[k], *row = c->r_last + k * n;
        for (int64_t i = 0; i < n; i++)
            c->temp[i] += v * row[i];
    }
}

// z and r gate the state, h' = (1 - z) * g(candidate) + z * h.
static void cell(const ppq_cell *c, const ppq_op *op)
{
    const int64_t n = c->net->hidden;
    const float *update = c->gates, *candidate = c->gates + CANDIDATE * n;
    for (int64_t i = 0; i < CANDIDATE * n; i++)
        c->gates[i] += c->carried[i] + (c->r_bias ? c->r_bias[i] : 0);
    ppq_cell_activate(c, UPDATE, &c->fn[0]);
    ppq_cell_activate(c, RESET, &c->fn[0]);
    carry_candidate(c, ppq_op_attr_int(op, "linear_before_reset", 0) != 0,
                    c->r_bias ? c->r_bias + CANDIDATE * n : NULL);
    for (int64_t i = 0; i < n; i++)
        c->gates[CANDIDATE * n + i] += c->temp[i];
    ppq_cell_activate(c, CANDIDATE, &c->fn[1]);
    for (int64_t i = 0; i < n; i++)
        c->h[i] = (1 - update[i]) * candidate[i] + update[i] * c->h[i];
}

static const ppq_recurrent_type type = {
    .n_gates = 3,
    .n_activations = 2,
    .activations = (const char *const[]){ "Sigmoid", "Tanh" },
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

const ppq_op_def ppq_op_gru = {
    .type = "GRU",
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
