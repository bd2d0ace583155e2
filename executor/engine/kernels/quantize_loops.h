#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_QUANTIZE_LOOPS_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_QUANTIZE_LOOPS_H

#include "executor/engine/kernels/dispatch.h"
#include "executor/engine/kernels/q8.h"

// One row of an image: `channels` planes, `stride` elements apart.
typedef struct ppq_planes {
    const void *first;
    int64_t stride, channels, width;
} ppq_planes;

typedef struct ppq_quantize_loops {
    void (*quantize)(const ppq_q8_raw *q, const float *src, uint8_t *dst, int64_t n);
    void (*dequantize)(const ppq_q8_raw *q, const uint8_t *src, float *dst, int64_t n);
    void (*image_row)(const ppq_q8_raw *q, const ppq_planes *src, uint8_t *dst);
    void (*byte_row)(uint8_t zero, const ppq_planes *src, uint8_t *dst);
} ppq_quantize_loops;

PPQ_DECLARE_LOOPS(ppq_quantize_loops)

#endif
