#ifndef PPQ_EXECUTOR_OPS_PRODUCT_H
#define PPQ_EXECUTOR_OPS_PRODUCT_H

#include "executor/ops/backward.h"
#include "executor/ops/window.h"

// Matrix products with numpy's rules for vectors and batches, shared by MatMul and its integer
// relatives.

typedef struct ppq_product_shape {
    int64_t m, n, k; // negative where not known yet
    ppq_shape batch; // of the output, without the matrices
    ppq_shape a, b;  // batch shapes of the inputs
    ppq_shape y;     // of the output; rank -1 when not even that is known
} ppq_product_shape;

// The i-th dimension from the end; 1 where there is none, negative when it is not known.
static inline int64_t ppq_dim_from_end(const ppq_shape *s, int i)
{
    return s->rank >= i ? s->dim[s->rank - i] : s->rank < 0 ? PPQ_DIM_UNKNOWN : 1;
}

bool ppq_product_shape_init(ppq_product_shape *p, const ppq_shape *a, const ppq_shape *b,
                            ppq_reason *why);
// y[0] from a and b, the inputs in those slots.
ppq_status ppq_product_infer(ppq_infer_ctx *c, int a, int b);

// y = a * b for one matrix: b and y are dense and row-major, a has free strides. `dt` is float32,
// float64 or an integer type of 32 or 64 bits (which wraps).
typedef void (*ppq_gemm_fn)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_m,
                            int64_t a_k, const void *b, void *y);
ppq_gemm_fn ppq_gemm_of(ppq_dtype dt); // NULL for other types

// Runs `gemm` over the batch; an element has `es` bytes.
void ppq_product_run(const ppq_product_shape *p, ppq_gemm_fn gemm, size_t es, const void *a,
                     const void *b, void *y);

// A matrix of float32 with free strides.
typedef struct ppq_matrix {
    const float *at;
    int64_t row, column;
} ppq_matrix;

static inline ppq_matrix ppq_transposed(ppq_matrix m)
{
    return (ppq_matrix){ m.at, m.column, m.row };
}

// y[rows, columns] = a[rows, depth] * b[depth, columns], on the threads of `c`.
ppq_status ppq_product_f32(ppq_kernel_ctx *c, int64_t rows, int64_t columns, int64_t depth,
                           ppq_matrix a, ppq_matrix b, float *y);

#endif
