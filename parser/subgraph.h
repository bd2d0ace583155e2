#ifndef PPQ_PARSER_SUBGRAPH_H
#define PPQ_PARSER_SUBGRAPH_H

#include "core/arena.h"
#include "parser/onnx.pb-c.h"

// Names that graphs nested in attributes read from the graphs around them.
//
// The order of ppq_captures is the order of an op's implicit inputs (ppq_op.in[n_in ...]): first
// read first, attributes in their order. It depends on the attributes alone, so whoever holds
// them can tell which captured name an implicit input stands for.

// Called for each occurrence of a captured name. *name may be replaced.
typedef void (*ppq_capture_fn)(void *user, char **name);

void ppq_captures_visit(Onnx__AttributeProto *const *attrs, size_t n_attrs, ppq_capture_fn fn,
                        void *user);
// Each captured name once; the array lives in `a`, the names in the attributes.
void ppq_captures(Onnx__AttributeProto *const *attrs, size_t n_attrs, ppq_arena *a,
                  const char ***names, size_t *n_names);
// Whether any graph nested in the attributes defines `name`.
bool ppq_subgraphs_define(Onnx__AttributeProto *const *attrs, size_t n_attrs, const char *name);

#endif
