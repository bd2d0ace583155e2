#ifndef PPQ_EXECUTOR_ENGINE_RULES_ISLAND_H
#define PPQ_EXECUTOR_ENGINE_RULES_ISLAND_H

#include "executor/engine/plan.h"

// A step that runs an op by its own forward, or by an executor's kernel, on values of the plan.
// in: [n_in] values or PPQ_NO_VALUE, in the layouts that the op or kernel takes; out: [n_out].
// `kernel` NULL: the op's forward; otherwise the step takes over `take_state`.
PPQ_NODISCARD ppq_status ppq_island_step(ppq_plan *p, const ppq_op *op, const ppq_kernel *kernel,
                                         void *take_state, const int32_t *in, const int32_t *out);

#endif
