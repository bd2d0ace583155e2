#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_WINOGRAD_LOOPS_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_WINOGRAD_LOOPS_H

#include "executor/engine/kernels/dispatch.h"
#include "executor/engine/kernels/winograd.h"

enum {
    PPQ_WINOGRAD_OUT = 4, // results along a side of a tile
    PPQ_WINOGRAD_IN = 6,  // inputs
    PPQ_WINOGRAD_POSITIONS = PPQ_WINOGRAD_IN * PPQ_WINOGRAD_IN
};

// Weights: [position][block][input channel][lane]. Transformed inputs: [position][tile][channel],
// results likewise, with channels rounded up to whole vectors and whole blocks.
typedef struct ppq_winograd_loops {
    int lanes, vectors, rows; // a block is `vectors` vectors; tiles are multiplied `rows` at a time
    // Tiles [lo, hi), counted through all images, into `to`.
    void (*gather)(const ppq_winograd *k, const float *src, int64_t lo, int64_t hi, float *to);
    void (*multiply)(const ppq_winograd *k, const float *from, int64_t n, float *to);
    void (*scatter)(const ppq_winograd *k, const float *from, int64_t lo, int64_t hi, float *dst);
} ppq_winograd_loops;

PPQ_DECLARE_LOOPS(ppq_winograd_loops)

#endif
