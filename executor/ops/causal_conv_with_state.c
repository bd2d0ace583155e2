#include <math.h>
#include <string.h>

#include "executor/ops/doubled.h"
#include "executor/ops/real.h"

// Depthwise convolution over time that sees the past only: X (B, C, L), weights (C, 1, k), bias,
// and the k - 1 steps before X, which are zero when left out. The second output holds the last k
// - 1.

enum { X, W, BIAS, PAST };
static const char *const activations[] = { "none", "silu", "swish", NULL };

static ppq_status plan(const ppq_args *a, int *activation, ppq_shape *y, ppq_shape *state)
{
    const ppq_shape *x = ppq_args_shape(a, X), *w = ppq_args_shape(a, W);
    const ppq_shape *bias = ppq_args_shape(a, BIAS), *past = ppq_args_shape(a, PAST);
    int64_t one = 1;
    PPQ_TRY(ppq_args_choice(a, "activation", activations, activation));
    *y = x->rank < 0 ? ppq_shape_unknown(3) : *x;
    *state = ppq_shape_unknown(3);
    bool fits = y->rank == 3 && (w->rank < 0 || w->rank == 3) &&
                (bias->rank < 0 || bias->rank == 1) && (past->rank < 0 || past->rank == 3);
    if (fits && w->rank == 3) {
        fits = ppq_dim_merge(y->dim[1], w->dim[0], &y->dim[1]) &&
               ppq_dim_merge(one, w->dim[1], &one) && w->dim[2] != 0;
        state->dim[2] = w->dim[2] > 0 ? w->dim[2] - 1 : PPQ_DIM_UNKNOWN;
    }
    if (fits && bias->rank == 1)
        fits = ppq_dim_merge(y->dim[1], bias->dim[0], &y->dim[1]);
    state->dim[0] = y->dim[0];
    state->dim[1] = y->dim[1];
    for (int i = 0; fits && i < past->rank; i++)
        fits = ppq_dim_merge(state->dim[i], past->dim[i], &state->dim[i]);
    return fits
               ? PPQ_OK
               : ppq_args_fail(a, "the inputs must be (B, C, L), (C, 1, k), (C) and (B, C, k - 1)");
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape y, state;
    int activation;
    PPQ_TRY(ppq_infer_floats(c, 2, 4));
    PPQ_TRY(plan(&a, &activation, &y, &state));
    PPQ_TRY(ppq_infer_out(c, 0, c->in_dtype[X], &y));
    return ppq_infer_out(c, 1, c->in_dtype[X], &state);
}

static const double *optional(const ppq_kernel_ctx *c, int slot)
{
    return slot < c->op->n_in && c->in[slot] ? ppq_f64(c->in[slot]) : NULL;
}

// Past and present of one channel in a row.
static void load_line(const ppq_kernel_ctx *c, int64_t line, int64_t past, int64_t n, double *dst)
{
    const double *before = optional(c, PAST);
    for (int64_t i = 0; i < past; i++)
        dst[i] = before ? before[line * past + i] : 0;
    memcpy(dst + past, ppq_f64(c->in[X]) + line * n, (size_t) n * sizeof(*dst));
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    ppq_shape y, state;
    ppq_tensor memory;
    int activation;
    PPQ_TRY(plan(&a, &activation, &y, &state));
    const int64_t n = y.dim[2], past = state.dim[2], channels = y.dim[1];
    const double *bias = optional(c, BIAS);
    PPQ_TRY(ppq_kernel_temp(c, (size_t) (n + past) * sizeof(double), &memory));
    double *line = ppq_tensor_data(&memory), *dst = ppq_f64(&c->out[0]);
    for (int64_t i = 0; i < y.dim[0] * channels; i++) {
        const double *w = ppq_f64(c->in[W]) + i % channels * (past + 1);
        load_line(c, i, past, n, line);
        for (int64_t t = 0; t < n; t++) {
            double v = bias ? bias[i % channels] : 0;
            for (int64_t k = 0; k <= past; k++)
                v += w[k] * line[t + k];
            *dst++ = activation ? v / (1 + exp(-v)) : v;
        }
        if (c->op->n_out > 1)
            memcpy(ppq_f64(&c->out[1]) + i * past, line + n, (size_t) past * sizeof(*line));
    }
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_doubled(c, run);
}

const ppq_op_def ppq_op_causal_conv_with_state = {
    .type = "CausalConvWithState",
    .domain = "",
    .opset_min = 27,
    .in_min = 2,
    .in_max = 4,
    .out_min = 1,
    .out_max = 2,
    .infer = infer,
    .forward = forward,
};
