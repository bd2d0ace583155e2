#ifndef PPQ_QUANTIZER_FLOAT_RUN_H
#define PPQ_QUANTIZER_FLOAT_RUN_H

#include "core/calib_source.h"
#include "core/graph.h"

// Runs a graph in float over samples and shows tensors: in the engine for samples of the first
// one's shapes, through the plain executor for others. Every thread runs samples of its own with
// one thread's arithmetic, so the numbers shown do not depend on the number of threads.
typedef struct ppq_float_run ppq_float_run;

// The graph's weights are packed when it is made: it must not change while it is in use, except
// for its TQCs. shown: [g->n_vars], the vars to be shown; copied. `data` is borrowed.
PPQ_NODISCARD ppq_status ppq_float_run_create(const ppq_graph *g, const ppq_calib_source *data,
                                              const bool *shown, int n_threads, ppq_float_run **out,
                                              ppq_diag *d);
void ppq_float_run_destroy(ppq_float_run *r); // NULL is fine

// Sees one var of one sample, in any layout and of any type; the bytes are there during the call.
// Samples come in any order, several at once; `worker` < n_threads tells threads apart.
typedef ppq_status (*ppq_float_see)(void *user, int64_t sample, int worker, const ppq_var *v,
                                    const ppq_tensor *value);

// Samples [0, n). `progress` may be NULL.
PPQ_NODISCARD ppq_status ppq_float_run_samples(ppq_float_run *r, int64_t n, ppq_float_see see,
                                               void *user, const ppq_progress *progress,
                                               ppq_diag *d);

#endif
