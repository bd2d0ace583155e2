#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_DIRECT_CONV_LOOPS_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_DIRECT_CONV_LOOPS_H

#include "executor/engine/kernels/direct_conv.h"
#include "executor/engine/kernels/dispatch.h"

// A tile is PPQ_CONV_PIXELS pixels of the result, counted through all images, by a block of output
// channels. Weights of a block: [kernel row][kernel column][input channel][lane]; blocks are
// `vectors` vectors wide, the last of a group only as wide as it needs.
enum { PPQ_CONV_PIXELS = 6 };

typedef struct ppq_direct_conv_loops {
    int lanes, vectors;
    // Tiles [tile_lo, tile_hi) of blocks [block_lo, block_hi) of a group.
    void (*tiles)(const ppq_direct_conv *k, const float *src, float *dst, int64_t group,
                  int64_t tile_lo, int64_t tile_hi, int64_t block_lo, int64_t block_hi);
} ppq_direct_conv_loops;

PPQ_DECLARE_LOOPS(ppq_direct_conv_loops)

// Channels of block b of a group, and vectors that hold them.
static inline int64_t ppq_direct_conv_width(const ppq_direct_conv *k, int64_t b)
{
    const int64_t whole = (int64_t) k->loops->lanes * k->loops->vectors;
    return PPQ_MIN(whole, k->desc.out - b * whole);
}

static inline int64_t ppq_direct_conv_vectors(const ppq_direct_conv *k, int64_t b)
{
    return (ppq_direct_conv_width(k, b) + k->loops->lanes - 1) / k->loops->lanes;
}

#endif
