#ifndef PPQ_EXECUTOR_DNNL_PRODUCT_H
#define PPQ_EXECUTOR_DNNL_PRODUCT_H

#include "executor/dnnl/run.h"

// A matrix product whose right operand may be a constant that is packed once: what MatMul and Gemm
// share.
typedef struct ppq_dnnl_product {
    ppq_dnnl_op *op;
    ppq_dnnl_md right;  // the right operand as it comes
    ppq_tensor weights; // packed; no buffer when it is not constant
} ppq_dnnl_product;

// m->weights describes the right operand as it comes; `constant` is its value or NULL.
PPQ_NODISCARD ppq_status ppq_dnnl_product_init(ppq_dnnl_product *p, const ppq_dnnl_operands *m,
                                               const ppq_tensor *constant);
void ppq_dnnl_product_fini(ppq_dnnl_product *p);
// dst = left * right + bias; bias NULL when there is none.
ppq_status ppq_dnnl_product_run(const ppq_dnnl_product *p, ppq_kernel_ctx *c,
                                const ppq_tensor *left, const ppq_tensor *right,
                                const ppq_tensor *bias, ppq_tensor *dst);

#endif
