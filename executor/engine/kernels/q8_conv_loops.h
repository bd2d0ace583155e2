#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_Q8_CONV_LOOPS_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_Q8_CONV_LOOPS_H

#include "executor/engine/kernels/dispatch.h"
#include "executor/engine/kernels/q8_conv.h"

// A tile is PPQ_Q8_CONV_PIXELS pixels of the result by a block of `columns` output channels.
// Weights of a block: [product / 4][column][4], in the order of four_at; the last block of a group
// has half as many columns when that is enough.
enum { PPQ_Q8_CONV_PIXELS = 6 };

typedef struct ppq_q8_conv_loops {
    int columns;
    // `rows` rows of results (of image n, from row y) of blocks [block_lo, block_hi) of all groups,
    // from a strip of its inputs with their borders.
    void (*strip)(const ppq_q8_conv *k, const uint8_t *strip, void *dst, int64_t n, int64_t y,
                  int64_t rows, int64_t block_lo, int64_t block_hi);
} ppq_q8_conv_loops;

PPQ_DECLARE_LOOPS(ppq_q8_conv_loops)

// Orders of four inputs, whose first two and last two are pairs.
enum { PPQ_Q8_ORDERS = 3 };
static const uint8_t ppq_q8_order[PPQ_Q8_ORDERS][4] = { { 0, 1, 2, 3 },
                                                        { 0, 2, 1, 3 },
                                                        { 0, 3, 1, 2 } };

// Columns that the weights of block b of a group are packed for.
static inline int64_t ppq_q8_conv_columns(const ppq_q8_conv *k, int64_t b)
{
    const int64_t all = k->loops->columns, left = k->desc.out - b * all;
    return left * 2 <= all ? all / 2 : all;
}

#endif
