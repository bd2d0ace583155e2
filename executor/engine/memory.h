#ifndef PPQ_EXECUTOR_ENGINE_MEMORY_H
#define PPQ_EXECUTOR_ENGINE_MEMORY_H

#include "executor/engine/plan.h"

// Drops steps whose results nobody reads, works out how long every storage lives and gives those in
// planned memory their offsets: first fit, in the order of the steps.
void ppq_plan_memory(ppq_plan *p);

#endif
