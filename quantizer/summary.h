#ifndef PPQ_QUANTIZER_SUMMARY_H
#define PPQ_QUANTIZER_SUMMARY_H

#include "exporter/forecast.h"
#include "quantizer/session.h"

// Numbers about a session, for those who tell them: the closing text, JSON, and the HTML page.

// How many there are of each key, in order of first appearance until sorted. Meant for few keys
// (op types, reasons): what comes after the first 512 is not counted.
typedef struct ppq_tally {
    struct {
        const char *key;
        size_t n;
    } rows[512];
    size_t n;
} ppq_tally;

void ppq_tally_add(ppq_tally *t, const char *key, size_t n);
void ppq_tally_sort(ppq_tally *t);
size_t ppq_tally_of(const ppq_tally *t, const char *key); // 0 when it is not there

size_t ppq_n_at(const ppq_graph *g, ppq_place p);
// Op types at a place, sorted; `reason` NULL: all.
ppq_tally *ppq_types_at(const ppq_graph *g, ppq_arena *a, ppq_place p, const char *reason);
// Why ops are at a place.
ppq_tally *ppq_reasons_at(const ppq_graph *g, ppq_arena *a, ppq_place p);

// Parameters and their bytes, float and as they will be stored.
typedef struct ppq_weight_sizes {
    int64_t params;
    double float_bytes, stored_bytes;
} ppq_weight_sizes;
ppq_weight_sizes ppq_weight_sizes_of(const ppq_graph *g);

// Errors of layers' first outputs, the worst first.
typedef struct ppq_layer_error {
    const ppq_op *op;
    const ppq_compare *compare;
    double snr;
} ppq_layer_error;
// Quantized ops that were compared with float; only those that compute with weights unless `all`.
// The array is in `a`.
ppq_layer_error *ppq_layer_errors(const ppq_session *s, bool all, ppq_arena *a, size_t *n);

// What ONNX Runtime will run. `types` holds the op types of the QDQ graph but Q and DQ, `integer`
// those of them that run on integers.
typedef struct ppq_fused {
    ppq_tally *types, *integer;
    size_t n_quantize, n_dequantize, n_avoidable, n_saturating;
} ppq_fused;
// False when the model cannot be written as QDQ.
bool ppq_fused_of(const ppq_session *s, ppq_arena *a, ppq_fused *out);

#endif
