#ifndef PPQ_EXECUTOR_OPS_RECURRENT_H
#define PPQ_EXECUTOR_OPS_RECURRENT_H

#include "core/op_def.h"

// LSTM, GRU and RNN: their geometry, their weights in the order that products want, and the walk
// over directions and time. Everything is calculated in float32. The arithmetic itself is
// recurrent_math.h, compiled for plain C here and for wider vectors by the engine, with the same
// results to the last bit.

enum {
    PPQ_RECURRENT_X,
    PPQ_RECURRENT_W,
    PPQ_RECURRENT_R,
    PPQ_RECURRENT_B,
    PPQ_RECURRENT_LENGTHS,
    PPQ_RECURRENT_H,
    PPQ_RECURRENT_C,
    PPQ_RECURRENT_P,
    PPQ_RECURRENT_INPUTS
};
enum { PPQ_MAX_ACTIVATIONS = 3, PPQ_MAX_DIRECTIONS = 2 };

typedef enum ppq_recurrent_kind {
    PPQ_RECURRENT_RNN,
    PPQ_RECURRENT_GRU,
    PPQ_RECURRENT_LSTM,
    PPQ_RECURRENT_KINDS
} ppq_recurrent_kind;

typedef enum ppq_gate_alg {
    PPQ_GATE_AFFINE,
    PPQ_GATE_RELU,
    PPQ_GATE_LEAKY_RELU,
    PPQ_GATE_THRESHOLDED_RELU,
    PPQ_GATE_TANH,
    PPQ_GATE_SCALED_TANH,
    PPQ_GATE_SIGMOID,
    PPQ_GATE_HARD_SIGMOID,
    PPQ_GATE_ELU,
    PPQ_GATE_SOFTSIGN,
    PPQ_GATE_SOFTPLUS,
    PPQ_GATE_ALGS
} ppq_gate_alg;

typedef struct ppq_gate_fn {
    ppq_gate_alg alg;
    float alpha, beta;
} ppq_gate_fn;

typedef struct ppq_recurrent {
    ppq_recurrent_kind kind;
    int n_gates;
    bool has_cell;                       // initial_c, P and Y_c
    int64_t steps, batch, input, hidden; // negative where not known yet
    int directions;                      // 1 or 2
    bool reverse;                        // of a single direction
    bool batch_first;                    // layout 1
    bool reset_after;                    // linear_before_reset
    bool coupled;                        // input_forget
    float clip;                          // infinity when there is none
    ppq_gate_fn fn[PPQ_MAX_DIRECTIONS][PPQ_MAX_ACTIVATIONS];
} ppq_recurrent;

// ---- weights --------------------------------------------------------------------------------

// A right matrix [depth, columns], cut into panels of so many columns: row after row of the first,
// then of the second, ... `columns` is a multiple of `panel`; those beyond the matrix are 0. Panels
// of PPQ_PANEL_NONE: column after column, as operators have their weights.
enum { PPQ_PANEL_WHOLE = 0, PPQ_PANEL_NONE = -1 };
typedef struct ppq_panels {
    const float *data;
    int64_t depth, columns, panel;
} ppq_panels;

// Of one direction. Gates stand side by side. A GRU that resets the state before its product with
// the candidate's weights has these in `last`, and `r` lacks them.
typedef struct ppq_recurrent_weights {
    ppq_panels w, r, last;
    const float *bias;      // [w.columns], all that can be added to the inputs' part; or NULL
    const float *last_bias; // [hidden] of the candidate's state part, of a GRU that resets after
    const float *peephole;  // [3 * hidden] or NULL
} ppq_recurrent_weights;

// `panel`: columns, PPQ_PANEL_WHOLE: each matrix is one, or PPQ_PANEL_NONE: W and R must stay.
int64_t ppq_recurrent_weight_floats(const ppq_recurrent *r, int64_t panel); // -1: too many
// Inputs W, R, B and P; B and P may be NULL. P must stay.
void ppq_recurrent_pack(const ppq_recurrent *r, int64_t panel, const float *const *in,
                        float *memory, ppq_recurrent_weights *out);

// ---- running --------------------------------------------------------------------------------

struct ppq_recurrent_math;

// One cell at one time step: one batch element in one direction.
typedef struct ppq_cell {
    const ppq_recurrent *net;
    const struct ppq_recurrent_math *math;
    const ppq_recurrent_weights *weights;
    const ppq_gate_fn *fn;
    float *gates;         // the inputs' part and the bias: may be overwritten
    const float *carried; // the state's part
    float *h, *c;         // [hidden] states, to be replaced; c NULL without a cell state
    float *temp;          // [hidden + last.columns]
} ppq_cell;

typedef struct ppq_recurrent_math {
    // y[rows, columns] = x[rows, depth] * m + bias; bias may be NULL
    void (*product)(const ppq_panels *m, int64_t rows, const float *x, const float *bias, float *y);
    void (*const *cell)(const ppq_cell *c); // [PPQ_RECURRENT_KINDS]
} ppq_recurrent_math;

// Everything one run works with.
typedef struct ppq_recurrent_job {
    const ppq_recurrent *net;
    const ppq_recurrent_math *math;
    const ppq_recurrent_weights *weights; // [directions]
    const int64_t *length;                // [batch]; NULL: all steps
    const float *x, *h, *c;               // h and c NULL: zeros
    float *y, *last_h, *last_c;           // NULL: not wanted
    float *memory;                        // ppq_recurrent_job_floats, aligned for int64
} ppq_recurrent_job;

int64_t ppq_recurrent_job_floats(const ppq_recurrent *r, const ppq_recurrent_weights *w); // or -1
// First the inputs' part of all gates, rows [from, to) of directions * steps * batch ...
void ppq_recurrent_feed(const ppq_recurrent_job *j, int64_t from, int64_t to);
// ... then sequences [from, to) of directions * batch through time.
void ppq_recurrent_walk(const ppq_recurrent_job *j, int64_t from, int64_t to);

// Reads sequence_lens, if any, into the job's memory.
PPQ_NODISCARD ppq_status ppq_recurrent_lengths(ppq_recurrent_job *j, const ppq_tensor *t,
                                               ppq_kernel_ctx *c);

// ---- operators ------------------------------------------------------------------------------

// Which one it is says the operator's type. Outputs of `c` are not touched.
PPQ_NODISCARD ppq_status ppq_recurrent_describe(ppq_infer_ctx *c, ppq_recurrent *r);
ppq_status ppq_recurrent_infer(ppq_infer_ctx *c);
// The operator with weights that are packed already, [directions], in plain C; reads the inputs
// that are no weights. memory: ppq_recurrent_job_floats.
PPQ_NODISCARD ppq_status ppq_recurrent_run(ppq_kernel_ctx *c, const ppq_recurrent *r,
                                           const ppq_recurrent_weights *weights, float *memory);
ppq_status ppq_recurrent_forward(ppq_kernel_ctx *c);

#define RECURRENT_DEF(op_type, inputs, outputs)                                           \
    {                                                                                     \
        .type = (op_type), .domain = "", .opset_min = 1, .in_min = 3, .in_max = (inputs), \
        .out_min = 1, .out_max = (outputs), .fp32_in = 1u << PPQ_RECURRENT_LENGTHS,       \
        .infer = ppq_recurrent_infer, .forward = ppq_recurrent_forward                    \
    }

#endif
