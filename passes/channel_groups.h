#ifndef PPQ_PASSES_CHANNEL_GROUPS_H
#define PPQ_PASSES_CHANNEL_GROUPS_H

#include "core/graph.h"

// Channels (axis 1) of activations that must be scaled alike. Ops that are positively homogeneous
// per channel, f(k x) = k f(x) for k > 0, tie channels of their inputs to channels of their
// outputs; layers (Conv, ConvTranspose, Gemm, MatMul on matrices) end a group, because their
// constants can take a factor in: the layer that makes a channel is divided by k, the layers that
// read it are multiplied by k. Everything else pins what it touches.
typedef struct ppq_channel_groups ppq_channel_groups;

// `g` must have shapes and no constants that layers share, and must keep its structure meanwhile.
// Linear in the number of ops and of channels.
PPQ_NODISCARD ppq_status ppq_channel_groups_create(const ppq_graph *g, ppq_channel_groups **out,
                                                   ppq_diag *d);
void ppq_channel_groups_destroy(ppq_channel_groups *c); // NULL is fine

int32_t ppq_channel_groups_count(const ppq_channel_groups *c);
// The group of every channel of `v`, -1 where it is pinned. NULL when all are.
const int32_t *ppq_channel_groups_of(const ppq_channel_groups *c, const ppq_var *v,
                                     int64_t *channels);

// Divides the channels of every group by k[group] > 0. The graph computes the same.
PPQ_NODISCARD ppq_status ppq_channel_groups_divide(const ppq_channel_groups *c, ppq_graph *g,
                                                   const float *k);

// The weight of a layer as rows x cols x taps. One of row and col counts output channels, the
// other, in a grouped convolution, channels within the row's group.
typedef struct ppq_layer_weight {
    int64_t rows, cols, taps;
    int64_t rows_per_group;
    bool row_is_out;
    int64_t outs, ins; // channels
} ppq_layer_weight;

// False when `op` is no layer whose constants can be scaled.
bool ppq_layer_weight_of(const ppq_op *op, ppq_layer_weight *out);

// Where a row's channels are: column c reads in + c * in_step and adds to out + c * out_step.
typedef struct ppq_layer_row {
    int64_t in, in_step, out, out_step;
} ppq_layer_row;

static inline ppq_layer_row ppq_layer_row_of(const ppq_layer_weight *w, int64_t row)
{
    const int64_t first = row / w->rows_per_group * w->cols;
    return w->row_is_out ? (ppq_layer_row){ first, 1, row, 0 }
                         : (ppq_layer_row){ row, 0, first, 1 };
}

#endif
