#ifndef PPQ_EXECUTOR_OPS_RECURRENT_MATH_H
#define PPQ_EXECUTOR_OPS_RECURRENT_MATH_H

// The arithmetic of recurrent cells, to be included where it is compiled. It defines `cells`, for
// ppq_recurrent_math.

#include <string.h>
#include <tgmath.h>

#include "executor/ops/fast_math.h"
#include "executor/ops/recurrent.h"

// ---- activations ----------------------------------------------------------------------------

// On a row in place.
#define GATE_FN(name, ...)                                                               \
    static void fn_##name(float *x, int64_t n, float alpha, float beta)                  \
    {                                                                                    \
        const float a __attribute__((unused)) = alpha, b __attribute__((unused)) = beta; \
        for (int64_t i = 0; i < n; i++) {                                                \
            const float v = x[i];                                                        \
            x[i] = (__VA_ARGS__);                                                        \
        }                                                                                \
    }
GATE_FN(affine, a *v + b)
GATE_FN(relu, v > 0 ? v : 0)
GATE_FN(leaky_relu, v >= 0 ? v : a * v)
GATE_FN(thresholded_relu, v > a ? v : 0)
GATE_FN(tanh, ppq_tanhf(v))
GATE_FN(scaled_tanh, a *ppq_tanhf(b *v))
GATE_FN(sigmoid, 1.0f / (1.0f + ppq_expf(-v)))
GATE_FN(hard_sigmoid, fminf(fmaxf(a *v + b, 0), 1))
GATE_FN(elu, v >= 0 ? v : a * ppq_expm1f(v))
GATE_FN(softsign, v / (1 + fabsf(v)))
GATE_FN(softplus, fast_softplus(v))

static void apply(const ppq_gate_fn *fn, float *row, int64_t n)
{
    static void (*const fns[PPQ_GATE_ALGS])(float *x, int64_t n, float alpha, float beta) = {
        [PPQ_GATE_AFFINE] = fn_affine,
        [PPQ_GATE_RELU] = fn_relu,
        [PPQ_GATE_LEAKY_RELU] = fn_leaky_relu,
        [PPQ_GATE_THRESHOLDED_RELU] = fn_thresholded_relu,
        [PPQ_GATE_TANH] = fn_tanh,
        [PPQ_GATE_SCALED_TANH] = fn_scaled_tanh,
        [PPQ_GATE_SIGMOID] = fn_sigmoid,
        [PPQ_GATE_HARD_SIGMOID] = fn_hard_sigmoid,
        [PPQ_GATE_ELU] = fn_elu,
        [PPQ_GATE_SOFTSIGN] = fn_softsign,
        [PPQ_GATE_SOFTPLUS] = fn_softplus,
    };
    fns[fn->alg](row, n, fn->alpha, fn->beta);
}

// Limits n values to [-clip, clip], then activates them.
static void activate(const ppq_cell *c, const ppq_gate_fn *fn, float *row, int64_t n)
{
    const float limit = c->net->clip;
    if (isfinite(limit))
        for (int64_t i = 0; i < n; i++)
            row[i] = row[i] > limit ? limit : row[i] < -limit ? -limit : row[i];
    apply(fn, row, n);
}

static void add_carried(const ppq_cell *c, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        c->gates[i] += c->carried[i];
}

// ---- RNN ------------------------------------------------------------------------------------

static void cell_rnn(const ppq_cell *c)
{
    const int64_t n = c->net->hidden;
    add_carried(c, n);
    activate(c, &c->fn[0], c->gates, n);
    memcpy(c->h, c->gates, (size_t) n * sizeof(float));
}

// ---- GRU ------------------------------------------------------------------------------------

// What the state gives to the candidate: (r * h) R' + Rb, or r * (h R' + Rb) when it is reset
// after the product.
static void carry_candidate(const ppq_cell *c, const float *reset, float *candidate)
{
    const int64_t n = c->net->hidden;
    const float *carried = c->carried + 2 * n, *bias = c->weights->last_bias;
    if (c->net->reset_after) {
        for (int64_t i = 0; i < n; i++)
            candidate[i] += reset[i] * (carried[i] + (bias ? bias[i] : 0));
        return;
    }
    float *state = c->temp, *product = c->temp + n;
    for (int64_t i = 0; i < n; i++)
        state[i] = reset[i] * c->h[i];
    c->math->product(&c->weights->last, 1, state, NULL, product);
    for (int64_t i = 0; i < n; i++)
        candidate[i] += product[i];
}

// h' = (1 - z) * g(candidate) + z * h.
static void cell_gru(const ppq_cell *c)
{
    const int64_t n = c->net->hidden;
    float *update = c->gates, *reset = update + n, *candidate = reset + n;
    add_carried(c, 2 * n);
    activate(c, &c->fn[0], update, 2 * n);
    carry_candidate(c, reset, candidate);
    activate(c, &c->fn[1], candidate, n);
    for (int64_t i = 0; i < n; i++)
        c->h[i] = (1 - update[i]) * candidate[i] + update[i] * c->h[i];
}

// ---- LSTM -----------------------------------------------------------------------------------

enum { PEEP_INPUT, PEEP_OUTPUT, PEEP_FORGET };

static void add_peephole(const ppq_cell *c, float *gate, int which)
{
    const int64_t n = c->net->hidden;
    const float *peephole = c->weights->peephole;
    if (!peephole)
        return;
    for (int64_t i = 0; i < n; i++)
        gate[i] += peephole[which * n + i] * c->c[i];
}

// c' = f * c + i * g(candidate), h' = o * h(c'), where the output gate's peephole sees the new cell
// state. `clip` limits the gates only, as ONNX Runtime does it.
static void cell_lstm(const ppq_cell *c)
{
    const int64_t n = c->net->hidden;
    float *in = c->gates, *out = in + n, *forget = out + n, *candidate = forget + n;
    add_carried(c, 4 * n);
    add_peephole(c, in, PEEP_INPUT);
    activate(c, &c->fn[0], in, n);
    if (c->net->coupled) {
        for (int64_t i = 0; i < n; i++)
            forget[i] = 1 - in[i];
    } else {
        add_peephole(c, forget, PEEP_FORGET);
        activate(c, &c->fn[0], forget, n);
    }
    activate(c, &c->fn[1], candidate, n);
    for (int64_t i = 0; i < n; i++)
        c->c[i] = forget[i] * c->c[i] + in[i] * candidate[i];
    add_peephole(c, out, PEEP_OUTPUT);
    activate(c, &c->fn[0], out, n);
    memcpy(c->h, c->c, (size_t) n * sizeof(float));
    apply(&c->fn[2], c->h, n);
    for (int64_t i = 0; i < n; i++)
        c->h[i] *= out[i];
}

// Of each kind.
static void (*const cells[PPQ_RECURRENT_KINDS])(const ppq_cell *c) = {
    [PPQ_RECURRENT_RNN] = cell_rnn,
    [PPQ_RECURRENT_GRU] = cell_gru,
    [PPQ_RECURRENT_LSTM] = cell_lstm,
};

#endif
