#ifndef PPQ_PARSER_EXTERNAL_H
#define PPQ_PARSER_EXTERNAL_H

#include "parser/mapping.h"
#include "parser/onnx.pb-c.h"
#include "parser/site.h"

// Tensor data kept in files beside the model. Each file is mapped once. A location is a relative
// path that, links resolved, stays inside the model's folder.
typedef struct ppq_external ppq_external;

// `dir` NULL: the model may not use external data.
ppq_external *ppq_external_create(const char *dir);
void ppq_external_destroy(ppq_external *e); // NULL is fine

// A range of one external file.
typedef struct ppq_external_range {
    const ppq_mapping *map;
    const unsigned char *data;
    size_t size;
} ppq_external_range;

// Finds the bytes of `t` (data_location EXTERNAL), which must be `want` many. The range lives as
// long as `e`.
PPQ_NODISCARD ppq_status ppq_external_find(ppq_external *e, const Onnx__TensorProto *t,
                                           const ppq_site *s, size_t want, ppq_external_range *out);

#endif
