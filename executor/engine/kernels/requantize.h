#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_REQUANTIZE_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_REQUANTIZE_H

#include "executor/engine/kernels/lut.h"

// Bytes from one scale and zero point to another, by way of real numbers: quantize(dequantize(x)).
// For the operands of a Concat of nhwc tensors, whose rows lie apart in the result, for Slice and
// Split, whose rows lie apart in the source, and for whole tensors.
typedef struct ppq_q8_requantize {
    bool copies; // every byte stays what it is
    uint8_t table[PPQ_LUT_SIZE];
} ppq_q8_requantize;

void ppq_q8_requantize_prepare(const ppq_q8 *src, const ppq_q8 *dst, ppq_q8_requantize *out);
// n_rows rows of n_cols bytes, whose beginnings are so many bytes apart. Source and result may be
// the same, unless rows overlap.
void ppq_q8_requantize_run(ppq_isa isa, const ppq_q8_requantize *q, const void *src,
                           int64_t src_stride, void *dst, int64_t dst_stride, int64_t n_rows,
                           int64_t n_cols);

#endif
