#ifndef PPQ_QUANTIZER_CALIBRATE_H
#define PPQ_QUANTIZER_CALIBRATE_H

#include "core/calib_source.h"
#include "core/ext.h"
#include "quantizer/histograms.h"

// Scales and offsets for every constant whose TQC is INITIAL, from the constant itself.
PPQ_NODISCARD ppq_status ppq_calibrate_parameters(ppq_graph *g, int n_threads, ppq_diag *d);

// Runs the data once through the graph in float, on n_threads samples at a time, and gives every
// INITIAL activation TQC its scale and offset. Memory does not grow with the number of samples;
// the result depends neither on their order nor on n_threads. A tensor that is never produced, or
// that holds NaN or infinity, is an error that names it. `keep` (may be NULL) takes a histogram of
// every activation.
PPQ_NODISCARD ppq_status ppq_calibrate_activations(ppq_graph *g, const ppq_calib_source *data,
                                                   int n_threads, const ppq_progress *progress,
                                                   ppq_histograms *keep, ppq_diag *d);

#endif
