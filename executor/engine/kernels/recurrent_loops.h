#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_RECURRENT_LOOPS_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_RECURRENT_LOOPS_H

#include "executor/engine/kernels/dispatch.h"
#include "executor/engine/kernels/recurrent.h"

PPQ_DECLARE_LOOPS(ppq_recurrent_math)

#endif
