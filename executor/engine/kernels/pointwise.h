#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_POINTWISE_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_POINTWISE_H

#include "executor/engine/kernels/cpu.h"

// Functions of one float that take some arithmetic, in vectors: the same numbers as the operators.
typedef enum ppq_pointwise_alg {
    PPQ_POINTWISE_EXP,
    PPQ_POINTWISE_TANH,
    PPQ_POINTWISE_SIGMOID,
    PPQ_POINTWISE_ERF,
    PPQ_POINTWISE_GELU,
    PPQ_POINTWISE_GELU_TANH,
    PPQ_POINTWISE_SWISH, // alpha
    PPQ_POINTWISE_ELU,   // alpha
    PPQ_POINTWISE_SOFTPLUS,
    PPQ_POINTWISE_ALGS
} ppq_pointwise_alg;

// src and dst may be the same.
void ppq_pointwise_run(ppq_isa isa, ppq_pointwise_alg alg, float alpha, const float *src,
                       float *dst, int64_t n);

#endif
