#ifndef PPQ_CORE_CALIB_SOURCE_H
#define PPQ_CORE_CALIB_SOURCE_H

#include "core/diag.h"
#include "core/tensor.h"

// Where samples come from. Sample i is one tensor per graph input, in the graph's order.
typedef struct ppq_calib_source {
    void *user;
    int64_t n_samples;
    // feeds: [inputs]; the caller unrefs each. Called from several threads at once; the same i
    // gives the same bytes.
    ppq_status (*get)(void *user, int64_t i, ppq_tensor *feeds, ppq_diag *d);
} ppq_calib_source;

// Told how far a long phase is, from any thread. `done` reaches `total`.
typedef struct ppq_progress {
    void *user;
    void (*report)(void *user, const char *phase, int64_t done, int64_t total);
} ppq_progress;

#endif
