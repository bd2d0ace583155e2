#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_LUT_LOOPS_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_LUT_LOOPS_H

#include "executor/engine/kernels/dispatch.h"

typedef struct ppq_lut_loops {
    void (*rows)(const uint8_t *table, const uint8_t *src, int64_t src_stride, uint8_t *dst,
                 int64_t dst_stride, int64_t n_rows, int64_t n_cols);
} ppq_lut_loops;

PPQ_DECLARE_LOOPS(ppq_lut_loops)

#endif
