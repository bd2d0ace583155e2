#ifndef PPQ_QUANTIZER_CORRECT_BIAS_H
#define PPQ_QUANTIZER_CORRECT_BIAS_H

#include "core/ext.h"
#include "quantizer/float_run.h"

// Bias correction. Rounding shifts means: of weights, where few are summed (depthwise
// convolutions), and of activations that crowd near zero, as behind a ReLU. A shift per output
// channel is what a bias can take back, and it is linear in the mean of every input channel:
//
//   y = W x + b:   b += sum over inputs of (W - W') E[x]  -  W' E[x' - x]
//
// with W', x' the quantized values (M. Nagel et al., "Data-free quantization through weight
// equalization and bias correction", ICCV 2019, with measured means). Borders are neglected.

// Means per input channel of every quantized Conv, Gemm and MatMul with a constant weight.
typedef struct ppq_means ppq_means;

// For `n` samples, each watched by one thread at a time.
ppq_means *ppq_means_create(const ppq_graph *g, int64_t n);
void ppq_means_destroy(ppq_means *m); // NULL is fine
int64_t ppq_means_samples(const ppq_means *m);
// The vars whose values it takes: sets shown[id], [g->n_vars].
void ppq_means_wants(const ppq_means *m, bool *shown);
// Adds the values of `v`, or, when `shift`, what rounding adds to them, for every op that reads it
// as its input 0. A var that nobody wants adds nothing.
void ppq_means_add(ppq_means *m, int64_t sample, const ppq_var *v, const ppq_tensor *x, bool shift);

// First term, before weights are baked, from means of x.
PPQ_NODISCARD ppq_status ppq_correct_weights(ppq_graph *g, const ppq_means *m, int n_threads,
                                             ppq_diag *d);
// The biases that are corrected, as they are now: references in out[id], [g->n_vars]. The rest of
// `out` stays as it is.
void ppq_corrected_biases(const ppq_graph *g, ppq_tensor *out);
// Second term, once activations are calibrated: samples [0, n) through `run`, a float run of g
// that shows what such means want.
PPQ_NODISCARD ppq_status ppq_correct_activations(ppq_graph *g, ppq_float_run *run, int64_t n,
                                                 int n_threads, ppq_diag *d);

#endif
