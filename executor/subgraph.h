#ifndef PPQ_EXECUTOR_SUBGRAPH_H
#define PPQ_EXECUTOR_SUBGRAPH_H

#include "core/op_def.h"
#include "executor/exec.h"

// The graphs in an op's attributes (If, Loop, Scan), each with an executor of its own. They run in
// float32: what is in them is never quantized. Made by the executor when the op runs for the first
// time, immutable afterwards and shared by all threads.
typedef struct ppq_subgraphs ppq_subgraphs;
typedef struct ppq_subgraph ppq_subgraph;

bool ppq_subgraphs_any(const ppq_op *op); // whether the op may hold graphs
// `outer` and `op` must outlive the result.
PPQ_NODISCARD ppq_status ppq_subgraphs_create(const ppq_graph *outer, const ppq_op *op,
                                              const ppq_exec_opts *o, ppq_subgraphs **out,
                                              ppq_diag *d);
void ppq_subgraphs_destroy(ppq_subgraphs *s); // NULL is fine

// ---- for op files ---------------------------------------------------------------------------

// The graph in attribute `attr`; fails when there is none or no executor runs the op.
PPQ_NODISCARD ppq_status ppq_subgraph_find(ppq_kernel_ctx *c, const char *attr,
                                           const ppq_subgraph **out);
int32_t ppq_subgraph_n_in(const ppq_subgraph *s); // without the tensors it captures
int32_t ppq_subgraph_n_out(const ppq_subgraph *s);
// As the model declares it: type and shape may be unknown.
const ppq_var *ppq_subgraph_output(const ppq_subgraph *s, int32_t i);
// Runs it on n_in tensors; captured ones come from the op's context. `out`: n_out tensors, the
// caller unrefs each.
PPQ_NODISCARD ppq_status ppq_subgraph_run(ppq_kernel_ctx *c, const ppq_subgraph *s,
                                          const ppq_tensor *in, ppq_tensor *out);

#endif
