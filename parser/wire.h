#ifndef PPQ_PARSER_WIRE_H
#define PPQ_PARSER_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "core/diag.h"
#include "core/graph.h"

// A serialized message that has been checked against its descriptor and made small: every
// TensorProto.raw_data of the main graph (initializers, sparse initializers, tensor attributes
// of its nodes) is replaced by four bytes, the index into `payloads`. The payloads point into
// the original bytes. Tensors inside subgraphs and functions keep theirs.
typedef struct ppq_wire {
    unsigned char *bytes;
    size_t size;
    ppq_blob *payloads;
    size_t n_payloads;
} ppq_wire;

// Deepest nesting of messages; the model itself is at depth 0.
#define PPQ_WIRE_MAX_DEPTH 64
// Longest message or field, protobuf's own limit.
#define PPQ_WIRE_MAX_SIZE ((size_t) INT32_MAX)

// Refuses what protobuf-c would accept but must not see: deep nesting (it recurses without
// limit), repeated singular messages (it merges them in quadratic time), and what it refuses
// without saying why: truncation, wrong wire types, strings with a NUL. `source` names the file in
// messages. On success the caller owns *out: ppq_wire_fini.
PPQ_NODISCARD ppq_status ppq_wire_strip(const void *bytes, size_t n,
                                        const ProtobufCMessageDescriptor *root, const char *source,
                                        ppq_wire *out, ppq_diag *d);
// Frees `bytes` once they are unpacked; the payloads stay.
void ppq_wire_drop_bytes(ppq_wire *w);
void ppq_wire_fini(ppq_wire *w);

#endif
