#ifndef PPQ_PARSER_LOAD_H
#define PPQ_PARSER_LOAD_H

#include "core/graph.h"

// ONNX files -> BaseGraph, as they are: ppq_normalize (parser/normalize) brings old opsets to one
// spelling afterwards. Everything a model carries survives: what the graph's own fields do not
// hold is kept in the `extra` blobs.

// Opsets of ai.onnx from 1 to this one are read; a newer one with a warning.
#define PPQ_OPSET_NEWEST 28
#define PPQ_IR_NEWEST    14

// External data is looked for below the file's folder. Every failure leaves one message.
PPQ_NODISCARD ppq_status ppq_parse_file(const char *path, ppq_graph **out, ppq_diag *d);
// The same from memory. `dir`: the folder of external data, NULL: the model may have none.
// `source_name` stands for the file's name in messages.
PPQ_NODISCARD ppq_status ppq_parse_bytes(const void *bytes, size_t n, const char *dir,
                                         const char *source_name, ppq_graph **out, ppq_diag *d);

#endif
