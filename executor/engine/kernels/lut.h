#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_LUT_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_LUT_H

#include "executor/engine/kernels/cpu.h"
#include "executor/engine/kernels/q8.h"

// Functions of one byte as tables: y = table[x], where x and y are bytes as they lie in memory,
// uint8 or int8.

enum { PPQ_LUT_SIZE = 256 };

// The table of quantize(f(dequantize(x))), float32 in and out of f.
void ppq_lut_build(const ppq_q8 *src, const ppq_q8 *dst, float (*f)(float x, const void *user),
                   const void *user, uint8_t table[PPQ_LUT_SIZE]);
// That of the identity function: from one scale and zero point to another.
void ppq_lut_build_requantize(const ppq_q8 *src, const ppq_q8 *dst, uint8_t table[PPQ_LUT_SIZE]);

// src and dst may be the same.
void ppq_lut_run(ppq_isa isa, const uint8_t table[PPQ_LUT_SIZE], const uint8_t *src, uint8_t *dst,
                 int64_t n);
// n_rows rows of n_cols bytes, whose beginnings are so many bytes apart.
void ppq_lut_run_rows(ppq_isa isa, const uint8_t table[PPQ_LUT_SIZE], const uint8_t *src,
                      int64_t src_stride, uint8_t *dst, int64_t dst_stride, int64_t n_rows,
                      int64_t n_cols);

#endif
