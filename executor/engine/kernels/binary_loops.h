#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_BINARY_LOOPS_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_BINARY_LOOPS_H

#include "executor/engine/kernels/binary.h"
#include "executor/engine/kernels/dispatch.h"

typedef struct ppq_q8_binary_rows {
    const uint8_t *a, *b;
    uint8_t *dst;
    int64_t a_stride, b_stride, n_rows, n_cols;
} ppq_q8_binary_rows;

typedef struct ppq_q8_binary_reals {
    const float *row;
    const uint8_t *other;
    uint8_t *dst;
    int64_t n_rows, n_cols;
} ppq_q8_binary_reals;

typedef struct ppq_q8_binary_loops {
    void (*rows[PPQ_Q8_ALG_COUNT])(const ppq_q8_binary *k, const ppq_q8_binary_rows *r);
    // second index: whether the row of floats is operand a
    void (*reals[PPQ_Q8_ALG_COUNT][2])(const ppq_q8_binary *k, const ppq_q8_binary_reals *r);
} ppq_q8_binary_loops;

PPQ_DECLARE_LOOPS(ppq_q8_binary_loops)

#endif
