#ifndef PPQ_PARSER_BUILD_H
#define PPQ_PARSER_BUILD_H

#include "core/graph.h"
#include "parser/tensor_proto.h"

// GraphProto -> BaseGraph.

typedef struct ppq_build {
    ppq_graph *graph; // its source and opsets are set; everything else is filled in
    const ppq_tensor_reader *reader;
    ppq_arena *scratch; // must live as long as the call
    bool nested; // names that nothing defines become graph inputs, in the order they are read
    ppq_diag *diag;
} ppq_build;

// *p is used up: its big lists may be gone afterwards. On failure the graph may be half filled.
PPQ_NODISCARD ppq_status ppq_build_graph(const ppq_build *b, Onnx__GraphProto *p);

// Serializes a message into the arena.
ppq_blob ppq_pack_blob(ppq_arena *a, const ProtobufCMessage *m);

#endif
