#ifndef PPQ_PARSER_TENSOR_PROTO_H
#define PPQ_PARSER_TENSOR_PROTO_H

#include "core/tensor.h"
#include "parser/external.h"
#include "parser/pbmem.h"

// What reading tensors out of a model needs.
typedef struct ppq_tensor_reader {
    const ppq_mapping *map; // raw_data inside it is dropped from memory once copied; may be NULL
    ppq_pbmem *mem;         // holds the unpacked messages
    ppq_external *external;
} ppq_tensor_reader;

// Dense copies of sparse tensors may not exceed this.
#define PPQ_SPARSE_MAX_BYTES ((size_t) 64 << 20)

// Raw, typed or external data -> a tensor of its own. Unknown types, ranks and sizes that do not
// fit together are refused before anything is allocated. Big typed lists are given back to
// r->mem, so *t has no data afterwards.
PPQ_NODISCARD ppq_status ppq_tensor_read(const ppq_tensor_reader *r, Onnx__TensorProto *t,
                                         const ppq_site *s, ppq_tensor *out);
// Sparse values and indices -> a dense tensor, if it is small enough.
PPQ_NODISCARD ppq_status ppq_tensor_read_sparse(const ppq_tensor_reader *r,
                                                Onnx__SparseTensorProto *t, const ppq_site *s,
                                                ppq_tensor *out);
// strings -> a PPQ_DT_STRING tensor: the array of ppq_string, then their bytes.
PPQ_NODISCARD ppq_status ppq_tensor_from_strings(const ProtobufCBinaryData *strings,
                                                 const ppq_shape *shape, ppq_tensor *out);
// Makes external data of `t` raw_data in memory of r->mem; other tensors are left alone.
PPQ_NODISCARD ppq_status ppq_tensor_internalize(const ppq_tensor_reader *r, Onnx__TensorProto *t,
                                                const ppq_site *s);

#endif
