#include <string.h>

#include "executor/ops/real.h"
#include "executor/ops/recurrent.h"

enum { INPUT, OUTPUT, FORGET, CELL };
enum { PEEP_INPUT, PEEP_OUTPUT, PEEP_FORGET };

static void add_peephole(const ppq_cell *c, int gate, int peephole)
{
    const int64_t n = c->net->hidden;
    if (!c->peephole)
        return;
    for (int64_t i = 0; i < n; i++)
        c->gates[gate * n + i] += c->peephole[peephole * n + i] * c->c[i];
}

// The new cell state: f * c + i * g(candidate); input_forget couples f = 1 - i.
static void remember(const ppq_cell *c, const ppq_op *op)
{
    const int64_t n = c->net->hidden;
    const float *in = c->gates + INPUT * n, *candidate = c->gates + CELL * n;
    float *forget = c->gates + FORGET * n;
    add_peephole(c, INPUT, PEEP_INPUT);
    ppq_cell_activate(c, INPUT, &c->fn[0]);
    if (ppq_op_attr_int(op, "input_forget", 0)) {
        for (int64_t i = 0; i < n; i++)
            forget[i] = 1 - in[i];
    } else {
        add_peephole(c, FORGET, PEEP_FORGET);
        ppq_cell_activate(c, FORGET, &c->fn[0]);
    }
    ppq_cell_activate(c, CELL, &c->fn[1]);
    for (int64_t i = 0; i < n; i++)
        c->c[i] = forget[i] * c->c[i] + in[i] * candidate[i];
}

// h' = o * h(c'), where the output gate's peephole sees the new cell state. `clip` limits the gates
// only, as ONNX Runtime does it.
static void cell(const ppq_cell *c, const ppq_op *op)
{
    const int64_t n = c->net->hidden;
    for (int64_t i = 0; i < c->net->type->n_gates * n; i++)
        c->gates[i] += c->carried[i] + (c->r_bias ? c->r_bias[i] : 0);
    remember(c, op);
    add_peephole(c, OUTPUT, PEEP_OUTPUT);
    ppq_cell_activate(c, OUTPUT, &c->fn[0]);
    memcpy(c->h, c->c, (size_t) n * sizeof(float));
    c->fn[2].apply(c->h, n, c->fn[2].alpha, c->fn[2].beta);
    for (int64_t i = 0; i < n; i++)
        c->h[i] *= c->gates[OUTPUT * n + i];
}

static const ppq_recurrent_type type = {
    .n_gates = 4,
    .n_activations = 3,
    .activations = (const char *const[]){ "Sigmoid", "Tanh", "Tanh" },
    .has_cell = true,
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

const ppq_op_def ppq_op_lstm = {
    .type = "LSTM",
    .domain = "",
    .opset_min = 1,
    .in_min = 3,
    .in_max = 8,
    .out_min = 1,
    .out_max = 3,
    .fp32_in = 0x10, // sequence_lens
    .infer = infer,
    .forward = forward,
};
