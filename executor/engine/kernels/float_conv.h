#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_FLOAT_CONV_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_FLOAT_CONV_H

#include "core/base.h"
#include "executor/engine/kernels/cpu.h"
#include "executor/engine/kernels/window_2d.h"

// A convolution of float images in nhwc order, for the kernels that compute one.

enum { PPQ_CONV_ENDS = 4 };

// What is done to a sum before it is stored, in this order. NaN stays NaN.
typedef enum ppq_conv_end_kind {
    PPQ_CONV_END_ADD,  // what the destination holds
    PPQ_CONV_END_RELU, // a: slope below zero
    PPQ_CONV_END_CLIP, // to [a, b]
} ppq_conv_end_kind;

typedef struct ppq_conv_end {
    ppq_conv_end_kind kind;
    float a, b;
} ppq_conv_end;

typedef struct ppq_float_conv {
    int64_t batch, groups;
    int64_t in, out; // channels of one group
    ppq_window_2d win;
    ppq_conv_end end[PPQ_CONV_ENDS];
    int n_end;
} ppq_float_conv;

// Padding is left out of sums or taken as zeros, whichever is faster: weights must be finite.
static inline bool ppq_floats_are_finite(const float *x, int64_t n)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i] * 0;
    return sum == 0;
}

#endif
