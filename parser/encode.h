#ifndef PPQ_PARSER_ENCODE_H
#define PPQ_PARSER_ENCODE_H

#include "core/graph.h"

// BaseGraph -> ONNX wire format, as a list of pieces. Weights are pieces that point at the
// graph's own tensors, so encoding a model needs no second copy of them. The same graph always
// gives the same bytes. The quantization plane is not looked at.

// Byte ranges to be written one after the other; they point into the graph, or into the
// encoding they belong to.
typedef struct ppq_pieces {
    ppq_blob *v;
    size_t n, cap;
    uint64_t bytes; // in all pieces
} ppq_pieces;

typedef struct ppq_encode_opts {
    const char *location; // name of the external data file; NULL: weights stay in the model
    size_t external_min;  // smallest weight, in bytes, that goes to the external file
} ppq_encode_opts;

typedef struct ppq_encoding {
    ppq_arena *arena;
    ppq_pieces model;
    ppq_pieces data; // of the external file; empty without one
} ppq_encoding;

// The graph must outlive *out and stay as it is. On success the caller calls ppq_encoding_fini.
// A model of 2 GiB or more is encoded too; whether it may be written is the caller's question.
PPQ_NODISCARD ppq_status ppq_encode_model(const ppq_graph *g, const ppq_encode_opts *o,
                                          ppq_encoding *out, ppq_diag *d);
// A GraphProto of its first `n_inputs` inputs (those behind are captured), in memory of `a`.
PPQ_NODISCARD ppq_status ppq_encode_subgraph(const ppq_graph *g, int32_t n_inputs, ppq_arena *a,
                                             ppq_blob *out, ppq_diag *d);
void ppq_encoding_fini(ppq_encoding *e);

#endif
