#ifndef PPQ_TESTS_FUZZ_RANDOM_GRAPH_H
#define PPQ_TESTS_FUZZ_RANDOM_GRAPH_H

// Any bytes as a small graph of float operators with QuantizeLinear/DequantizeLinear pairs between
// them. Every op is computed as soon as it is added, so that only what can run stays.

#include <stdio.h>
#include <stdlib.h>

#include "core/graph.h"
#include "core/op_def.h"
#include "core/rng.h"

enum { FUZZ_MAX_VARS = 48, FUZZ_MAX_SLOTS = 8 };

typedef struct fuzz_bytes {
    const uint8_t *p;
    size_t n;
    ppq_rng values; // numbers in tensors are not worth bytes of their own
} fuzz_bytes;

typedef struct fuzz_graph {
    fuzz_bytes *b;
    ppq_graph *g;
    ppq_diag *d;
    ppq_var *vars[FUZZ_MAX_VARS]; // float32, what ops read
    ppq_tensor values[FUZZ_MAX_VARS];
    size_t n_vars;
} fuzz_graph;

void fuzz_build(fuzz_graph *f);

// Ends the process with a message, and what `d` has, unless ok.
void fuzz_require(bool ok, const char *what, const char *name, const ppq_diag *d);
// The next choice among n.
uint32_t fuzz_pick(fuzz_bytes *b, uint32_t n);

#define PICK(b, ...)    \
    ((const int64_t[]){ \
        __VA_ARGS__ })[fuzz_pick((b), PPQ_COUNT(((const int64_t[]){ __VA_ARGS__ })))]

// ---- tensors --------------------------------------------------------------------------------

void *fuzz_list(size_t n, size_t size);                   // zeroed
ppq_tensor fuzz_tensor(ppq_dtype dt, const ppq_shape *s); // zeroed
ppq_tensor fuzz_normal(fuzz_bytes *b, const ppq_shape *s, float scale);
// The largest magnitude; infinite when there is something that is not a number.
double fuzz_magnitude(const ppq_tensor *t);

ppq_var *fuzz_const(fuzz_graph *f, ppq_tensor t);
ppq_var *fuzz_scalar(fuzz_graph *f, float v);
ppq_var *fuzz_int_list(fuzz_graph *f, const int64_t *v, int n);

// ---- ops ------------------------------------------------------------------------------------

ppq_op *fuzz_op(fuzz_graph *f, const char *type, int n_out, ppq_var *const *in, int n_in);

#define OP(f, type, ...)                                  \
    fuzz_op((f), (type), 1, (ppq_var *[]){ __VA_ARGS__ }, \
            (int) PPQ_COUNT(((ppq_var *[]){ __VA_ARGS__ })))

// What a variable is; NULL: not known.
const ppq_tensor *fuzz_value(const fuzz_graph *f, const ppq_var *v);
// Whether the op can be computed, and is small; otherwise it goes away.
bool fuzz_keep(fuzz_graph *f, ppq_op *op);

// A layer of some kind behind any value. In random_layers.c.
void fuzz_add_layer(fuzz_graph *f);

// ---- grids ----------------------------------------------------------------------------------

// Q and DQ behind the youngest value; the integers may have several DQ, and be an output.
void fuzz_add_pair(fuzz_graph *f);
// A pair on the grid of `x`, for ops that only move values.
void fuzz_repeat_pair(fuzz_graph *f, const ppq_var *x);
// DQ of constant 7-bit weights: per channel along `axis`, or per tensor.
ppq_var *fuzz_weights(fuzz_graph *f, const ppq_shape *s, int axis);
// A bias of n, in float or in int32 with a scale; NULL: none.
ppq_var *fuzz_bias(fuzz_graph *f, int64_t n);

#endif
