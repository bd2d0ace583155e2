#ifndef PPQ_QUANTIZER_DUMP_H
#define PPQ_QUANTIZER_DUMP_H

#include "core/graph.h"
#include "core/io.h"

// DIR/NN_<name>.dot (places coloured, scales on edges) and .txt (one line per op and TQC).
PPQ_NODISCARD ppq_status ppq_dump_graph(const ppq_graph *g, const char *dir, int index,
                                        const char *name, ppq_diag *d);
void ppq_dump_dot(const ppq_graph *g, ppq_buf *out);
// Ops in topological order with their tensors and TQCs. Of a model that carries Q/DQ pairs, what a
// DequantizeLinear says of its tensor.
void ppq_dump_text(const ppq_graph *g, ppq_buf *out);
// The same as JSON: {"ops": [...]}.
void ppq_dump_json(const ppq_graph *g, ppq_buf *out);

#endif
