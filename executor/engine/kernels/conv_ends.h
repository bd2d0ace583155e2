#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_CONV_ENDS_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_CONV_ENDS_H

#include "executor/engine/kernels/float_conv.h"
#include "executor/engine/kernels/vec.h"

// The ends of a convolution on vectors. max and min with the constant first let NaN through.

V_INLINE vf end_relu(vf x, float slope)
{
    const vf zero = vf_set(0), above = vf_max(zero, x);
    return slope == 0 ? above : vf_add(above, vf_mul(vf_set(slope), vf_min(zero, x)));
}

V_INLINE vf end_clip(vf x, float lo, float hi)
{
    return vf_min(vf_set(hi), vf_max(vf_set(lo), x));
}

#endif
