#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_DEPTHWISE_LOOPS_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_DEPTHWISE_LOOPS_H

#include "executor/engine/kernels/depthwise.h"
#include "executor/engine/kernels/dispatch.h"

// Weights of one channel, at most: their source pointers live on the stack.
enum { PPQ_DEPTHWISE_TAPS = 1024 };

// Taps are taken in groups of as many as one instruction multiplies and adds: 2 as int16, 4 as
// int8, 1 in plain C. Channels are taken in blocks of `group` vectors ("parts"); the last block
// ends with the last channel and may overlap the one before. Interleaving the bytes of the taps of
// a group leaves lane i of part p with channel i / 4 * 4 * group + 4 * p + i % 4 of the block.
typedef struct ppq_depthwise_loops {
    int group, lanes;
    bool walks; // knows what to do with ppq_depthwise.walk
    // One row of the result from one image.
    void (*row)(const ppq_depthwise *k, const uint8_t *src, void *dst, int64_t y);
} ppq_depthwise_loops;

PPQ_DECLARE_LOOPS(ppq_depthwise_loops)

typedef struct ppq_depthwise_tap {
    int64_t y, x; // from the window's first position; y is negative where there is no tap
} ppq_depthwise_tap;

struct ppq_depthwise {
    const ppq_depthwise_loops *loops;
    int64_t channels;
    ppq_window_2d win;
    int64_t reach; // the last tap's x
    int64_t n_taps, n_blocks;
    // 3x3 over neighbouring columns, stride 1 or 2: columns are shared by results next to each
    // other. Taps are then those of the columns, each of three rows and none.
    bool walk;
    bool to_float;
    uint8_t src_flip;
    ppq_q8_raw dst;
    float lo, hi;           // of float results; else of the result without its zero point
    ppq_depthwise_tap *tap; // n_taps, a multiple of the group
    // Per block: [part][lane] what the sum starts with, likewise scales and biases, then weights
    // [group of taps][part][lane][tap of the group]. A lane has four bytes throughout.
    uint8_t *packed;
    int64_t block_bytes;
    uint8_t *outside; // a row of zero points
};

static inline int64_t ppq_depthwise_block(const ppq_depthwise_loops *l)
{
    return (int64_t) l->group * l->lanes;
}

// First channel of block b.
static inline int64_t ppq_depthwise_first(const ppq_depthwise *k, int64_t b, int64_t block)
{
    const int64_t last = PPQ_MAX(k->channels - block, 0);
    return PPQ_MIN(b * block, last);
}

#endif
