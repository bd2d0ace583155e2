#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_RECURRENT_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_RECURRENT_H

#include "executor/engine/kernels/cpu.h"
#include "executor/ops/recurrent.h"

// The arithmetic of recurrent cells in vectors: the same numbers as in plain C. Panels must have
// this many columns.
enum { PPQ_RECURRENT_PANEL = 16 };

const ppq_recurrent_math *ppq_recurrent_math_for(ppq_isa isa);

#endif
