#ifndef PPQ_EXECUTOR_ENGINE_CHAIN_H
#define PPQ_EXECUTOR_ENGINE_CHAIN_H

#include "executor/engine/quant_view.h"

// What follows a computing op and can be computed with it, on its result in registers.

enum { PPQ_CHAIN_OPS = 12, PPQ_CHAIN_POSTS = 16 };

typedef struct ppq_chain {
    const ppq_op *ops[PPQ_CHAIN_OPS + 1]; // taken in, NULL-terminated, without the first op
    int n_ops;
    const ppq_var *bias;                 // constant per-channel summand, or NULL
    ppq_dnnl_post post[PPQ_CHAIN_POSTS]; // in real units
    int n_post;
    float unit; // one of the numbers that post-ops see, in real units: 1, or an inner grid's scale
    const ppq_var *sum; // tensor that the sum post-op adds: float, or the integers of `sum_grid`
    ppq_grid sum_grid;  // q NULL: float
    const ppq_var *out; // what the step writes
    bool quantized;     // `out` lies on `grid`
    ppq_grid grid;
} ppq_chain;

// Not every implementation of the library can do everything: rules try these in order.
typedef enum ppq_chain_cut {
    PPQ_CHAIN_WHOLE,
    PPQ_CHAIN_NO_SUM,  // no residual addition
    PPQ_CHAIN_NO_POST, // only a bias, and the quantizer when it follows at once
    PPQ_CHAIN_CUTS
} ppq_chain_cut;

typedef struct ppq_chain_opts {
    int channel_axis; // of the output, for the bias
    bool integers;    // the op runs on integers, so that it can end on a grid
    int cut;          // ppq_chain_cut
} ppq_chain_opts;

// Follows `op`'s output 0 for as long as one reader has it to itself.
void ppq_chain_follow(const ppq_plan *p, const ppq_op *op, const ppq_chain_opts *o, ppq_chain *c);
// The first cut that `lower` supports.
PPQ_NODISCARD ppq_status ppq_chain_try_cuts(ppq_plan *p, const ppq_op *op,
                                            ppq_status (*lower)(ppq_plan *p, const ppq_op *op,
                                                                ppq_chain_cut cut));
// Marks the chain's ops as done.
void ppq_chain_done(ppq_plan *p, const ppq_op *op, const ppq_chain *c);

// The value that the step writes: of its own, or, with a sum, in place of the summand (copied first
// when somebody else still needs that).
PPQ_NODISCARD ppq_status ppq_chain_output(ppq_plan *p, const ppq_op *op, const ppq_chain *c,
                                          ppq_layout layout, int32_t *summand, int32_t *out);

#endif
