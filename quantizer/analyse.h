#ifndef PPQ_QUANTIZER_ANALYSE_H
#define PPQ_QUANTIZER_ANALYSE_H

#include "core/calib_source.h"
#include "core/ext.h"
#include "quantizer/correct_bias.h"

// Compares the quantized graph with the float one, op by op, on a few samples. The float run comes
// first, before parameters are baked; of every watched tensor a bounded number of elements is
// kept, evenly spaced. Watched is what quantized ops leave behind: of ops that are fused, such as
// Conv and Relu, the last one's result.

typedef struct ppq_compare {
    double signal, noise, dot, norm; // sums over kept elements
    int64_t n;
} ppq_compare;

// Signal to noise in dB (300 when there is no noise, -300 when there are NaN), and cosine
// similarity.
double ppq_compare_snr(const ppq_compare *c);
double ppq_compare_cosine(const ppq_compare *c);

typedef struct ppq_analysis ppq_analysis;

// Runs samples of `data` in float: [0, n), of which it keeps what it needs to compare, and as many
// as `means` (may be NULL) takes the means of inputs from. Also learns shapes: every var's shape
// and type that inference could not tell is taken from the run (dimensions that differ between
// samples stay unknown).
PPQ_NODISCARD ppq_status ppq_analysis_reference(ppq_graph *g, const ppq_calib_source *data,
                                                int64_t n, int n_threads, ppq_means *means,
                                                ppq_analysis **out, ppq_diag *d);
// Runs samples [0, n) with quantization simulated.
PPQ_NODISCARD ppq_status ppq_analysis_simulate(ppq_analysis *a, ppq_diag *d);
// The worst output's SNR if some ops computed in float, with other constants perhaps (see
// ppq_exec_opts). Results stay as they are.
PPQ_NODISCARD ppq_status ppq_analysis_try(ppq_analysis *a, const bool *in_float,
                                          const ppq_tensor *constants, double *snr, ppq_diag *d);
void ppq_analysis_destroy(ppq_analysis *a); // NULL is fine

// Results, by var id of the graph; NULL where nothing was compared.
const ppq_compare *ppq_analysis_var(const ppq_analysis *a, uint32_t var_id);
// Of an op's first output, where it is rounded: behind the ops that are fused with it.
const ppq_compare *ppq_analysis_op(const ppq_analysis *a, const ppq_op *op);
// Of the outputs that were compared, the worst; HUGE_VAL when none was.
double ppq_analysis_worst_output(const ppq_analysis *a);
int64_t ppq_analysis_samples(const ppq_analysis *a);

#endif
