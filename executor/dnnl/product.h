#ifndef PPQ_EXECUTOR_DNNL_PRODUCT_H
#define PPQ_EXECUTOR_DNNL_PRODUCT_H

#include "executor/dnnl/run.h"

// Matrix products, what MatMul and Gemm share: cut into tiles that depend on the shape alone, each
// computed by one thread, so that the number of threads does not show in the result.

typedef struct ppq_dnnl_matrices {
    int64_t m, n, k;
    int64_t left_step[2], right_step[2];      // rows, columns; the result is dense
    bool bias;                                // one value per column
    ppq_shape batch, left_batch, right_batch; // of the result, and broadcast to it
} ppq_dnnl_matrices;

typedef struct ppq_dnnl_product ppq_dnnl_product;

// `right`: the right operand if it never changes, or NULL; it is packed when it has no batch.
PPQ_NODISCARD ppq_status ppq_dnnl_product_create(const ppq_dnnl_matrices *m,
                                                 const ppq_tensor *right, ppq_dnnl_product **out);
void ppq_dnnl_product_destroy(ppq_dnnl_product *p); // NULL is fine
// dst = left * right + bias; bias NULL when there is none.
ppq_status ppq_dnnl_product_run(const ppq_dnnl_product *p, ppq_kernel_ctx *c,
                                const ppq_tensor *left, const ppq_tensor *right,
                                const ppq_tensor *bias, ppq_tensor *dst);

#endif
