#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_TRANSPOSE_LOOPS_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_TRANSPOSE_LOOPS_H

#include "executor/engine/kernels/dispatch.h"

// Strides in elements.
typedef struct ppq_transposition {
    const uint8_t *src;
    uint8_t *dst;
    int64_t src_stride, dst_stride, n_rows, n_cols;
} ppq_transposition;

typedef struct ppq_transpose_loops {
    void (*bytes)(const ppq_transposition *t);
    void (*words)(const ppq_transposition *t);
} ppq_transpose_loops;

PPQ_DECLARE_LOOPS(ppq_transpose_loops)

#endif
