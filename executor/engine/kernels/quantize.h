#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_QUANTIZE_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_QUANTIZE_H

#include "executor/engine/kernels/cpu.h"
#include "executor/engine/kernels/q8.h"

// Real numbers to bytes and back. The bytes are those of core/quantfn at every level. Nothing
// outside [0, n) is read or written; src and dst may not overlap.

void ppq_q8_quantize(ppq_isa isa, const ppq_q8 *to, const float *src, void *dst, int64_t n);
void ppq_q8_dequantize(ppq_isa isa, const ppq_q8 *from, const void *src, float *dst, int64_t n);

// ---- images ---------------------------------------------------------------------------------

// One image of 1 to 4 planes (channels x height x width) becomes pixels of four bytes
//     (top + height + bottom) x (left + width + right) x 4
// Channels that the source lacks and the border hold the zero point, so that a convolution over
// the result needs neither padding nor a zero point of its own.
enum { PPQ_Q8_PIXEL = 4 };

typedef struct ppq_q8_image {
    int64_t channels, height, width;
    int64_t top, left, bottom, right; // of the border
} ppq_q8_image;

int64_t ppq_q8_image_rows(const ppq_q8_image *m); // of the result
size_t ppq_q8_image_bytes(const ppq_q8_image *m); // of the result

// Rows [row_lo, row_hi) of the result of one image; dst is the result's first byte. Different rows
// may be made by different threads.
void ppq_q8_image_quantize(ppq_isa isa, const ppq_q8_image *m, const ppq_q8 *to, const float *src,
                           void *dst, int64_t row_lo, int64_t row_hi);
// From bytes that are quantized already.
void ppq_q8_image_interleave(ppq_isa isa, const ppq_q8_image *m, uint8_t zero, const uint8_t *src,
                             uint8_t *dst, int64_t row_lo, int64_t row_hi);

#endif
