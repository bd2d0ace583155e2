#ifndef PPQ_EXECUTOR_ENGINE_RUN_H
#define PPQ_EXECUTOR_ENGINE_RUN_H

#include "executor/engine/plan.h"

// The finished plan as ppq_engine runs it.
PPQ_NODISCARD ppq_status ppq_plan_create(const ppq_graph *g, const ppq_engine_opts *o,
                                         ppq_plan **out, ppq_diag *d);
void ppq_plan_destroy(ppq_plan *p); // NULL is fine

#endif
