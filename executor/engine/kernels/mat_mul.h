#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_MAT_MUL_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_MAT_MUL_H

#include "executor/engine/kernels/cpu.h"
#include "executor/engine/kernels/q8.h"

// Products of matrices of uint8 whose zero points may be anything, exact on every CPU: numbers are
// widened to 16 bits, so that no sum saturates. For CPUs without VNNI.

enum { PPQ_Q8_MAT_MUL_DEPTH = 1 << 15 }; // what k may be at most

typedef struct ppq_q8_mat_mul {
    int64_t k, n; // a is rows x k, b is k x n
    int32_t a_zero, b_zero;
    float scale; // of the sums, in real numbers
} ppq_q8_mat_mul;

// Bytes of 64-byte aligned memory that one thread needs.
size_t ppq_q8_mat_mul_scratch(const ppq_q8_mat_mul *m);
// Brings b into the scratch memory, for any number of calls of the next function.
void ppq_q8_mat_mul_pack(ppq_isa isa, const ppq_q8_mat_mul *m, const uint8_t *b, void *scratch);
// Rows of the result: bytes of format `to`, or floats when that is NULL.
void ppq_q8_mat_mul_rows(ppq_isa isa, const ppq_q8_mat_mul *m, const uint8_t *a, int64_t n_rows,
                         const ppq_q8 *to, void *scratch, void *dst);

#endif
