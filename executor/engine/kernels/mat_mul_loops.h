#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_MAT_MUL_LOOPS_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_MAT_MUL_LOOPS_H

#include "executor/engine/kernels/dispatch.h"
#include "executor/engine/kernels/mat_mul.h"

enum {
    PPQ_Q8_MAT_MUL_ROWS = 4,     // of the result at a time
    PPQ_Q8_MAT_MUL_COLUMNS = 32, // what n is rounded up to
};

typedef struct ppq_q8_mat_mul_loops {
    // b in panels of as many columns as two vectors have, in pairs of rows
    void (*pack)(const ppq_q8_mat_mul *m, const uint8_t *b, int32_t *packed);
    // a: PPQ_Q8_MAT_MUL_ROWS rows, widened, their zero point subtracted, k rounded up to even; sum
    // is theirs; rows of dst begin `stride` apart
    void (*rows)(const ppq_q8_mat_mul *m, const int16_t *a, const int32_t *sum,
                 const int32_t *packed, float *dst, int64_t stride);
} ppq_q8_mat_mul_loops;

PPQ_DECLARE_LOOPS(ppq_q8_mat_mul_loops)

#endif
