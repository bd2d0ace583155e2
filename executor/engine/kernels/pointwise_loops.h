#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_POINTWISE_LOOPS_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_POINTWISE_LOOPS_H

#include "executor/engine/kernels/dispatch.h"
#include "executor/engine/kernels/pointwise.h"

typedef struct ppq_pointwise_loops {
    void (*of[PPQ_POINTWISE_ALGS])(const float *src, float *dst, int64_t n, float alpha);
} ppq_pointwise_loops;

PPQ_DECLARE_LOOPS(ppq_pointwise_loops)

#endif
