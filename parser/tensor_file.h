#ifndef PPQ_PARSER_TENSOR_FILE_H
#define PPQ_PARSER_TENSOR_FILE_H

#include "core/diag.h"
#include "core/tensor.h"

// A serialized TensorProto, as in the .pb files of ONNX test folders. `source` names it in
// messages. External data is refused.
PPQ_NODISCARD ppq_status ppq_parse_tensor_bytes(const void *bytes, size_t n, const char *source,
                                                ppq_tensor *out, ppq_diag *d);
// The same for a value of type `dt`: PPQ_DT_SEQUENCE reads a SequenceProto of tensors,
// PPQ_DT_OPTIONAL an OptionalProto of a tensor or of such a sequence, any other a TensorProto.
PPQ_NODISCARD ppq_status ppq_parse_value_bytes(ppq_dtype dt, const void *bytes, size_t n,
                                               const char *source, ppq_tensor *out, ppq_diag *d);

#endif
