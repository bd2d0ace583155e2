#ifndef PPQ_QUANTIZER_CALIBRATE_H
#define PPQ_QUANTIZER_CALIBRATE_H

#include "core/ext.h"
#include "quantizer/float_run.h"
#include "quantizer/histograms.h"

// Scales and offsets for every constant whose TQC is INITIAL, from the constant itself.
PPQ_NODISCARD ppq_status ppq_calibrate_parameters(ppq_graph *g, int n_threads, ppq_diag *d);

// The vars that activations are calibrated from: sets shown[id], [g->n_vars].
void ppq_calibrate_wants(const ppq_graph *g, bool *shown);

// Samples [0, n) once through `run`, a float run of g that shows at least the vars wanted. Gives
// every INITIAL activation TQC its scale and offset. Memory does not grow with the number of
// samples; the result depends neither on their order nor on n_threads, which is the run's. A
// tensor that is never produced, or that holds NaN or infinity, is an error that names it. `keep`
// (may be NULL) takes a histogram of every activation.
PPQ_NODISCARD ppq_status ppq_calibrate_activations(ppq_graph *g, ppq_float_run *run, int64_t n,
                                                   int n_threads, const ppq_progress *progress,
                                                   ppq_histograms *keep, ppq_diag *d);

#endif
