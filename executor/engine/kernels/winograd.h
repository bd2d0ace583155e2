#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_WINOGRAD_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_WINOGRAD_H

#include "executor/engine/kernels/float_conv.h"

// Convolution by Winograd's minimal filtering, F(4x4, 3x3): 4x4 results from 6x6 inputs by 36
// products instead of 144, between transforms of inputs, weights and results. The transforms lose
// some digits, see docs/NUMERICS.md; transformed weights are four times as large. The same numbers
// at every level of instructions and however the work is split.

// Immutable once packed: any number of threads may run it, each with scratch memory of its own.
typedef struct ppq_winograd {
    ppq_float_conv desc;
    const struct ppq_winograd_loops *loops;
    int64_t across, down, n_tiles;  // tiles of an image; of all images
    int64_t n_blocks, block_floats; // of output channels; weights of one at one of the 36 positions
    int64_t panel, n_panels;        // tiles that are computed together
    int64_t src_row, dst_row;       // floats of a tile at one position, in scratch memory
    int64_t src_plane, dst_plane;   // of all tiles of a panel
    const float *bias, *zeros, *weights;
} ppq_winograd;

// 3x3 windows, dense, one next to the other, no groups.
bool ppq_winograd_can(const ppq_float_conv *desc);
// `n_threads` may run units at the same time.
void ppq_winograd_init(ppq_winograd *k, const ppq_float_conv *desc, ppq_isa isa, int n_threads);
// Memory that the packed weights take.
int64_t ppq_winograd_floats(const ppq_winograd *k);
// As ppq_direct_conv_pack.
PPQ_NODISCARD bool ppq_winograd_pack(ppq_winograd *k, const float *weights, const float *bias,
                                     float *memory);
// Bytes of 64-byte aligned memory that one thread needs.
size_t ppq_winograd_scratch(const ppq_winograd *k);
int64_t ppq_winograd_units(const ppq_winograd *k);
void ppq_winograd_run(const ppq_winograd *k, const float *src, float *dst, int64_t unit_lo,
                      int64_t unit_hi, void *scratch);

#endif
