#ifndef PPQ_PARSER_NORMALIZE_NORMALIZE_H
#define PPQ_PARSER_NORMALIZE_NORMALIZE_H

#include "core/graph.h"

// The opset whose spelling older models are brought to.
#define PPQ_NORMAL_OPSET 13

// One spelling per op: a model of opset 1 to 12 is rewritten to opset 13, its subgraphs too, and
// keeps its meaning; a newer one keeps its opset. Constructs without an equivalent are all
// reported, then PPQ_ERR_UNSUPPORTED is returned. Op types this build does not know are reported
// as warnings, one per type, and pass through untouched.
PPQ_NODISCARD ppq_status ppq_normalize(ppq_graph *g, ppq_diag *d);

#endif
