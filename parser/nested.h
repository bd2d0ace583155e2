#ifndef PPQ_PARSER_NESTED_H
#define PPQ_PARSER_NESTED_H

#include "core/graph.h"

// Graphs nested in the attributes of an op (If, Loop, Scan).

// The outer tensors that the op's subgraphs read, by the names they use; parallel to
// op->in[n_in ...]. Names and array live in `a`.
PPQ_NODISCARD ppq_status ppq_nested_captures(const ppq_op *op, ppq_arena *a, const char ***names,
                                             size_t *n, ppq_diag *d);

typedef struct ppq_nested {
    ppq_graph *graph; // owned
    int32_t n_formal; // inputs of its own; those behind are captured, by name
} ppq_nested;

// Graph number `index` (0 for an attribute with one graph) of attribute `attr` as a graph of its
// own, with the outer graph's opsets. PPQ_ERR_ARG without a message when there is none.
PPQ_NODISCARD ppq_status ppq_nested_parse(const ppq_graph *outer, const ppq_op *op,
                                          const char *attr, size_t index, ppq_nested *out,
                                          ppq_diag *d);
// Puts a graph that came from ppq_nested_parse back. It may capture the same tensors as before or
// fewer; the op's implicit inputs follow.
PPQ_NODISCARD ppq_status ppq_nested_replace(ppq_graph *outer, ppq_op *op, const char *attr,
                                            size_t index, const ppq_nested *nested, ppq_diag *d);

#endif
