#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_POOL_LOOPS_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_POOL_LOOPS_H

#include "executor/engine/kernels/dispatch.h"
#include "executor/engine/kernels/q8.h"

// The part of one window that is inside of the image: n[0] x n[1] pixels, step[0] and step[1] bytes
// apart.
typedef struct ppq_pool_window {
    const uint8_t *first;
    int64_t n[2], step[2], channels;
} ppq_pool_window;

typedef struct ppq_pool_loops {
    // n values are averaged. dst holds floats when `to` is NULL.
    void (*average)(const ppq_pool_window *w, int64_t n, const ppq_q8_raw *from,
                    const ppq_q8_raw *to, void *dst);
    void (*max)(const ppq_pool_window *w, uint8_t flip, uint8_t *dst);
} ppq_pool_loops;

PPQ_DECLARE_LOOPS(ppq_pool_loops)

#endif
