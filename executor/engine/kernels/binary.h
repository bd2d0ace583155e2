#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_BINARY_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_BINARY_H

#include "executor/engine/kernels/cpu.h"
#include "executor/engine/kernels/q8.h"

// Arithmetic on bytes of different scales and zero points: quantize(dequantize(a) op
// dequantize(b)), each step in float32 as the simulation takes it. A relu behind it is dst's range.
typedef enum ppq_q8_alg {
    PPQ_Q8_ADD,
    PPQ_Q8_SUB,
    PPQ_Q8_MUL,
    PPQ_Q8_DIV,
    PPQ_Q8_ALG_COUNT
} ppq_q8_alg;

typedef struct ppq_q8_binary {
    ppq_q8_alg alg;
    ppq_q8 a, b, dst;
} ppq_q8_binary;

// n_rows rows of n_cols bytes each; rows of the operands begin so many bytes apart, those of dst
// n_cols. Equal shapes: both strides n_cols. An operand per channel of nhwc: rows are pixels, its
// stride is 0; one per channel and image: likewise, a call per image. dst may be an operand whose
// stride is n_cols.
void ppq_q8_binary_run(ppq_isa isa, const ppq_q8_binary *k, const void *a, int64_t a_stride,
                       const void *b, int64_t b_stride, void *dst, int64_t n_rows, int64_t n_cols);
// One operand is a row of n_cols floats, the same for every row: b, or a when `a_is_row`. Its
// format is not looked at. dst may be the other.
void ppq_q8_binary_run_row(ppq_isa isa, const ppq_q8_binary *k, bool a_is_row, const float *row,
                           const void *other, void *dst, int64_t n_rows, int64_t n_cols);
// One operand is a single byte: b, or a when `a_is_single`. dst may be the other.
void ppq_q8_binary_run_scalar(ppq_isa isa, const ppq_q8_binary *k, bool a_is_single, uint8_t single,
                              const void *other, void *dst, int64_t n);

#endif
