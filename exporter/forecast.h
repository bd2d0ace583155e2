#ifndef PPQ_EXPORTER_FORECAST_H
#define PPQ_EXPORTER_FORECAST_H

#include "core/graph.h"

// What ONNX Runtime's CPU provider makes of a graph with QuantizeLinear/DequantizeLinear pairs,
// without running it: which ops become integer ops and which Q and DQ ops remain. The rules are
// those of its optimizer at the highest level, as measured (docs/FORMATS.md).

typedef struct ppq_fate {
    // The op type it runs as: "QLinearConv", "QGemm", "MatMulIntegerToFloat", "MaxPool" (on
    // integers), ...; the op's own type when it stays as it is; "" when it disappears (a Q or DQ
    // that is taken in, an activation absorbed).
    const char *becomes;
    bool integer;          // computes or moves integers
    const char *why_float; // computing ops that stay float although fed by DQ: what is in the way
    bool saturates;        // its sums can be wrong on CPUs without VNNI (core/weight_layout.h)
} ppq_fate;

typedef struct ppq_forecast {
    ppq_fate *fate;                  // per op id of the graph
    size_t n_quantize, n_dequantize; // Q and DQ ops that remain
    size_t n_avoidable;              // pairs that cost time and are needed by nobody
    size_t n_saturating;             // ops whose sums can be wrong on some CPUs
} ppq_forecast;

// The graph must be compact, with shapes inferred. Arrays live in `a`.
PPQ_NODISCARD ppq_status ppq_forecast_ort(const ppq_graph *g, ppq_arena *a, ppq_forecast *out,
                                          ppq_diag *d);

#endif
