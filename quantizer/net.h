#ifndef PPQ_QUANTIZER_NET_H
#define PPQ_QUANTIZER_NET_H

#include "core/graph.h"
#include "ppq/ppq.h"

// What the rest of the public API knows of nets.

ppq_graph *ppq_net_graph(const ppq_net *n); // as loaded, with the shapes that were given
ppq_diag *ppq_net_diag(const ppq_net *n);
int ppq_net_batch(const ppq_net *n); // at least 1
// in: [n_inputs]; out: [n_outputs], the caller unrefs each.
PPQ_NODISCARD ppq_status ppq_net_run_tensors(ppq_net *n, const ppq_tensor *in, ppq_tensor *out);
// A copy; the caller frees it with ppq_array_free.
PPQ_NODISCARD ppq_status ppq_array_of(const ppq_tensor *t, ppq_array *out);

#endif
