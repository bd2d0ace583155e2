#ifndef PPQ_EXECUTOR_OPS_GEMM_SHAPE_H
#define PPQ_EXECUTOR_OPS_GEMM_SHAPE_H

#include "executor/ops/window.h"

typedef struct ppq_gemm_shape {
    bool trans_a, trans_b;
    double alpha, beta;
    int64_t m, n, k; // negative where not known yet
} ppq_gemm_shape;

// c: NULL when there is none. False with a reason when they and the attributes do not fit.
bool ppq_gemm_shape_init(ppq_gemm_shape *s, const ppq_op *op, const ppq_shape *a,
                         const ppq_shape *b, const ppq_shape *c, ppq_reason *why);

#endif
