#ifndef PPQ_PARSER_TENSOR_FILE_H
#define PPQ_PARSER_TENSOR_FILE_H

#include "core/diag.h"
#include "core/tensor.h"

// A serialized TensorProto, as in the .pb files of ONNX test folders. `source` names it in
// messages. External data is refused.
PPQ_NODISCARD ppq_status ppq_parse_tensor_bytes(const void *bytes, size_t n, const char *source,
                                                ppq_tensor *out, ppq_diag *d);

#endif
