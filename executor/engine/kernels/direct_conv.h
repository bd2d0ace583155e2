#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_DIRECT_CONV_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_DIRECT_CONV_H

#include "executor/engine/kernels/float_conv.h"

// Direct convolution. Every sum begins with the bias and takes its products
// in the order kernel row, kernel column, input channel, each with one rounding (fma): the same
// numbers at every level of instructions and however the work is split. Zeros stand for positions
// outside of the image.

enum { PPQ_DIRECT_CONV_TAPS = 128 }; // weights per pair of channels, at most

// Immutable once packed: any number of threads may run it.
typedef struct ppq_direct_conv {
    ppq_float_conv desc;
    const struct ppq_direct_conv_loops *loops;
    int64_t n_pixels, n_tiles;      // of the result; tiles are pixels computed together
    int64_t n_blocks, block_floats; // of output channels, per group; weights of a whole one
    int64_t panel, n_panels;        // tiles that are computed one after the other
    int64_t chunk, n_chunks;        // blocks likewise, within a group
    bool panels_first;
    const float *bias, *zeros, *weights;
} ppq_direct_conv;

void ppq_direct_conv_init(ppq_direct_conv *k, const ppq_float_conv *desc, ppq_isa isa);
// Memory that the packed weights take.
int64_t ppq_direct_conv_floats(const ppq_direct_conv *k);
// weights: [groups * out][in][kernel height][kernel width]; bias: [groups * out], or NULL. Writes
// `memory`, which must live as long as *k. False when a weight is not finite: padding would then
// not be nothing.
PPQ_NODISCARD bool ppq_direct_conv_pack(ppq_direct_conv *k, const float *weights, const float *bias,
                                        float *memory);
// The work falls into units that may be done by different threads.
int64_t ppq_direct_conv_units(const ppq_direct_conv *k);
void ppq_direct_conv_run(const ppq_direct_conv *k, const float *src, float *dst, int64_t unit_lo,
                         int64_t unit_hi);

#endif
