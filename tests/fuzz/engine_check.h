#ifndef PPQ_TESTS_FUZZ_ENGINE_CHECK_H
#define PPQ_TESTS_FUZZ_ENGINE_CHECK_H

// Every operator is computed in plain C from the integers that the engine itself gave for what the
// operator reads: what leaves a QuantizeLinear is at most one quantum away, plus what rounding of
// float32 in between can explain.

#include "executor/engine/engine.h"

typedef struct fuzz_check {
    const ppq_graph *g;
    const ppq_engine *e;
    ppq_diag *d;
    ppq_tensor *seen;  // [n_vars] what the engine gave, plain; buf NULL: not seen
    ppq_tensor *value; // [n_vars] computed in plain C, or `seen`
    double *error;     // [n_vars] how far real numbers may be from `value`
    bool saturates;    // products of computed matrices do
} fuzz_check;

// A tap; user: the check.
ppq_status fuzz_see(void *user, const ppq_var *v, const ppq_tensor *t);
// Everything again from what the engine gave for `feeds`; `got` are its outputs.
void fuzz_check_all(fuzz_check *c, const ppq_tensor *feeds, const ppq_tensor *got);

#endif
