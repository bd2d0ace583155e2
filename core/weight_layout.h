#ifndef PPQ_CORE_WEIGHT_LAYOUT_H
#define PPQ_CORE_WEIGHT_LAYOUT_H

#include "core/op_def.h"

// Where a Conv, ConvTranspose, Gemm or MatMul weight has its channels.

// Output channels, and their axis.
typedef struct ppq_weight_axis {
    int axis;         // -1: no such axis
    int64_t channels; // output channels of the op
    int64_t group;
} ppq_weight_axis;

static inline ppq_weight_axis ppq_weight_axis_of(const ppq_op *op, const ppq_shape *w)
{
    const int64_t group = ppq_op_attr_int(op, "group", 1);
    if (ppq_op_is(op, "Conv") && w->rank >= 3)
        return (ppq_weight_axis){ 0, w->dim[0], group };
    if (ppq_op_is(op, "ConvTranspose") && w->rank >= 3)
        return (ppq_weight_axis){ 1, w->dim[1] * group, group };
    if (ppq_op_is(op, "Gemm") && w->rank == 2) {
        const int axis = ppq_op_attr_int(op, "transB", 0) ? 0 : 1;
        return (ppq_weight_axis){ axis, w->dim[axis], 1 };
    }
    if (ppq_op_is(op, "MatMul") && w->rank == 2)
        return (ppq_weight_axis){ 1, w->dim[1], 1 };
    return (ppq_weight_axis){ -1, 0, 1 };
}

// A weight as groups x outs x ins x taps. An output channel sums ins x taps products.
typedef struct ppq_weight_sums {
    int64_t groups, outs, ins, taps;
    int64_t group_step, out_step, in_step; // between elements; taps lie next to each other
    bool depthwise;
} ppq_weight_sums;

// False for other ops, unknown shapes and empty weights.
bool ppq_weight_sums_of(const ppq_op *op, const ppq_shape *w, ppq_weight_sums *out);

// CPUs with 8-bit products but without VNNI add two of them in 16 bits that saturate: two weights
// that exceed PPQ_PAIR_MOST together can meet two inputs of 255 there and give a wrong sum.
// Runtimes pair neighbours of what is summed: input channels at one position of the window, or,
// where channels are odd in number and positions follow without padding, across positions.
// Depthwise convolutions sum in 32 bits.
enum { PPQ_PAIR_MOST = 128 };

// top[outs]: the largest magnitude of a pair's sum, over all groups; 0 where nothing is paired.
void ppq_weight_pairs(const ppq_weight_sums *s, const float *w, float *top);

#endif
