#ifndef PPQ_PARSER_FUNCTIONS_H
#define PPQ_PARSER_FUNCTIONS_H

#include "core/graph.h"
#include "parser/onnx.pb-c.h"
#include "parser/pbmem.h"
#include "parser/site.h"

// Replaces calls of model-local functions by the functions' bodies, in the main graph and in its
// subgraphs, until none is left: every tensor inside gets a name of its own and references to the
// call's attributes are resolved. Functions that are not needed afterwards leave *m.
//
// A function written for another opset of a domain than the model's cannot be expanded; it is
// kept with a warning and its calls are unknown ops. Functions that call themselves are refused.
//
// New messages live in `mem`, which also bounds what expanding may cost; arrays live in `a`.
// Domains that only functions import are added to g.
PPQ_NODISCARD ppq_status ppq_inline_functions(Onnx__ModelProto *m, ppq_graph *g, ppq_pbmem *mem,
                                              ppq_arena *a, const ppq_site *s);

#endif
