#ifndef PPQ_QUANTIZER_NET_H
#define PPQ_QUANTIZER_NET_H

#include "core/graph.h"
#include "ppq/ppq.h"

// What the rest of the public API knows of nets.

ppq_graph *ppq_net_graph(const ppq_net *n); // as loaded, with the shapes that were given
ppq_diag *ppq_net_diag(const ppq_net *n);
int ppq_net_batch(const ppq_net *n); // at least 1
// A copy; the caller frees it with ppq_array_free.
PPQ_NODISCARD ppq_status ppq_array_of(const ppq_tensor *t, ppq_array *out);

#endif
