#ifndef PPQ_EXECUTOR_OPS_RECURRENT_H
#define PPQ_EXECUTOR_OPS_RECURRENT_H

#include "executor/ops/args.h"

// What LSTM, GRU and RNN share: geometry, activations, and the walk over directions and time. An
// operator file adds the arithmetic of one cell. Everything is calculated in float32.

enum { PPQ_MAX_GATES = 4, PPQ_MAX_ACTIVATIONS = 3 };

// An activation with its two parameters, on a row in place.
typedef struct ppq_gate_fn {
    void (*apply)(float *x, int64_t n, float alpha, float beta);
    float alpha, beta;
} ppq_gate_fn;

typedef struct ppq_recurrent {
    const struct ppq_recurrent_type *type;
    int64_t steps, batch, input, hidden; // negative where not known yet
    int directions;                      // 1 or 2
    bool reverse;                        // of a single direction
    bool batch_first;                    // layout 1
    float clip;                          // infinity when there is none
    ppq_gate_fn fn[2][PPQ_MAX_ACTIVATIONS];
} ppq_recurrent;

// One cell at one time step: rows of one batch element in one direction.
typedef struct ppq_cell {
    const ppq_recurrent *net;
    const ppq_gate_fn *fn;
    float *gates;          // [n_gates * hidden] x W' + Wb: may be overwritten
    const float *carried;  // [n_gates * hidden] h R': without Rb
    const float *r_bias;   // [n_gates * hidden] or NULL
    const float *peephole; // [3 * hidden] or NULL
    float *h, *c;          // [hidden] states, to be replaced; c NULL without a cell state
    // For gates that look at a product of the state: r' R' of the last gate.
    const float *r_last; // [hidden, hidden], transposed: row i holds what h[i] feeds
    float *temp;         // [hidden]
} ppq_cell;

typedef struct ppq_recurrent_type {
    int n_gates;
    int n_activations;
    const char *const *activations; // defaults
    bool has_cell;                  // initial_c, P and Y_c
    void (*cell)(const ppq_cell *c, const ppq_op *op);
} ppq_recurrent_type;

ppq_status ppq_recurrent_infer(ppq_infer_ctx *c, const ppq_recurrent_type *type);
ppq_status ppq_recurrent_run(ppq_kernel_ctx *c, const ppq_recurrent_type *type);

// Gate `g`'s row, limited to [-clip, clip], then activated.
void ppq_cell_activate(const ppq_cell *c, int g, const ppq_gate_fn *fn);
void ppq_cell_apply(const ppq_cell *c, float *row, const ppq_gate_fn *fn);

#endif
