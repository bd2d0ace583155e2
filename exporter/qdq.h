#ifndef PPQ_EXPORTER_QDQ_H
#define PPQ_EXPORTER_QDQ_H

#include "core/ext.h"

// The quantized graph as an ONNX graph with QuantizeLinear/DequantizeLinear pairs: what `qdq`
// writes. A new graph, the caller's to destroy.
PPQ_NODISCARD ppq_status ppq_qdq_graph(const ppq_graph *g, ppq_graph **out, ppq_diag *d);
// Refuses what QuantizeLinear cannot say: other roundings, floating formats.
PPQ_NODISCARD ppq_status ppq_qdq_check(const ppq_export_env *e);

#endif
