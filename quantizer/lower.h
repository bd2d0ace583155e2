#ifndef PPQ_QUANTIZER_LOWER_H
#define PPQ_QUANTIZER_LOWER_H

#include "core/graph.h"

// Simplifies a loaded graph in place as far as that does not depend on the shapes of its inputs, so
// that its copies share the simplified weights instead of holding some of their own.
PPQ_NODISCARD ppq_status ppq_lower_prepare(ppq_graph *g, ppq_diag *d);

// A copy of a loaded graph as the engine wants it: inputs of the given tensors' shapes, every
// shape and constant that follows worked out, float ops simplified. Weights stay integers.
PPQ_NODISCARD ppq_status ppq_lower_graph(const ppq_graph *g, const ppq_tensor *inputs,
                                         ppq_graph **out, ppq_diag *d);

#endif
