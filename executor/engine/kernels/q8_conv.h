#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_Q8_CONV_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_Q8_CONV_H

#include "executor/engine/kernels/cpu.h"
#include "executor/engine/kernels/pointwise.h"
#include "executor/engine/kernels/window_2d.h"

// Convolutions and matrix products of uint8 and int8 weights, in nhwc order, exact on every CPU:
//     acc  = sum over the window of (src - src_zero) * weight        in int32
//     real = end(scale[c] * acc + bias[c])                           float32, not fused
//     dst  = clamp(rint(real / dst_scale) + dst_zero, 0, 255), or real as float32
// CPUs without VNNI add pairs of products in 16 bits, saturating. Where two weights that meet in
// such a pair could make that happen, four inputs are paired in another order; where no order
// helps, a part of one weight is kept back and added in a second, short pass. Positions outside of
// the image count as the zero point.

enum {
    PPQ_Q8_CONV_DEPTH = 1 << 15, // products of a sum, at most
    PPQ_Q8_CONV_ENDS = 16,
};

// What is done to a result before it is stored, in order.
typedef enum ppq_q8_end_kind {
    PPQ_Q8_END_ADD,  // a * (what the destination holds - zero)
    PPQ_Q8_END_RELU, // a: slope below zero
    PPQ_Q8_END_CLIP, // to [a, b]
    PPQ_Q8_END_ROUND,
    PPQ_Q8_END_LINEAR, // a * x + b
    PPQ_Q8_END_HARD_SWISH,
    PPQ_Q8_END_FUNCTION, // a: its parameter
} ppq_q8_end_kind;

typedef struct ppq_q8_end {
    ppq_q8_end_kind kind;
    float a, b;
    int32_t zero;
    ppq_pointwise_alg function;
} ppq_q8_end;

typedef struct ppq_q8_conv_desc {
    int64_t batch, groups;
    int64_t in, out; // channels of one group
    ppq_window_2d win;
    // [groups * out], in, window: steps from one output or input channel to the next. Borrowed for
    // init and pack.
    const int8_t *weights;
    int64_t wei_out, wei_in;
    int32_t src_zero;
    ppq_q8_end end[PPQ_Q8_CONV_ENDS];
    int n_end;
    bool to_float;
    float dst_scale; // 1 for floats
    int32_t dst_zero;
} ppq_q8_conv_desc;

// Immutable once packed: any number of threads may run it.
typedef struct ppq_q8_conv {
    ppq_q8_conv_desc desc;
    const struct ppq_q8_conv_loops *loops;
    ppq_isa isa;
    bool skips;                // pointwise: what its steps leave out is left out of strips
    int64_t pad_in;            // input channels of a group's weights: whole fours
    int64_t depth;             // products of a sum, with the padding
    int64_t n_blocks, columns; // of output channels, in each group; and their columns altogether
    int64_t n_rests;           // fours of inputs with a second pass, of all vectors of columns
    int64_t width, pixel;      // of a row of a strip; bytes of a pixel
    int64_t rows, n_strips, n_parts; // result rows of a strip; strips of an image; parts of blocks
    float last;                      // factor of real numbers before they are rounded
    const int8_t *weights, *rests;   // of blocks; of vectors of columns
    const int32_t *four_at;          // [groups * n_blocks][depth / 4], where fours begin, by order
    const int32_t *n_ordered;        // [groups * n_blocks][3], how many have each order
    const int32_t *rest_at;          // [n_rests], where the four begins, from the pixel's beginning
    const int32_t *first_rest;       // [2 * groups * n_blocks + 1], two vectors in a block
    const int32_t *offset;           // [groups * n_blocks columns], of sums: the zero point's share
    const float *scale, *bias;       // likewise
} ppq_q8_conv;

// False when the limit above is exceeded, or what one row needs has 2^31 bytes.
bool ppq_q8_conv_init(ppq_q8_conv *k, const ppq_q8_conv_desc *desc, ppq_isa isa);
// Memory that the packed weights take.
size_t ppq_q8_conv_bytes(const ppq_q8_conv *k);
// scale: [groups * out]; bias: likewise, or NULL. Writes `memory`, aligned for int32, which must
// live as long as *k.
void ppq_q8_conv_pack(ppq_q8_conv *k, const double *scale, const float *bias, void *memory);
// Memory that one thread needs to run it.
size_t ppq_q8_conv_scratch(const ppq_q8_conv *k);
// The work falls into units that may be done by different threads.
int64_t ppq_q8_conv_units(const ppq_q8_conv *k);
void ppq_q8_conv_run(const ppq_q8_conv *k, const uint8_t *src, void *dst, void *scratch,
                     int64_t unit_lo, int64_t unit_hi);

#endif
