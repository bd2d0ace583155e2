#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_TRANSPOSE_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_TRANSPOSE_H

#include "executor/engine/kernels/cpu.h"

// Other orders of the same elements. Source and result may not overlap.

// dst[c][r] = src[r][c] for a matrix of 1-byte or 4-byte elements; rows of the source begin
// src_stride elements apart, those of the result dst_stride. nhwc to nchw: rows are pixels, columns
// are channels, an image at a time; nchw to nhwc: the other way round. Threads may share a matrix
// by rows or by columns.
void ppq_transpose_8(ppq_isa isa, const void *src, int64_t src_stride, void *dst,
                     int64_t dst_stride, int64_t n_rows, int64_t n_cols);
void ppq_transpose_32(ppq_isa isa, const void *src, int64_t src_stride, void *dst,
                      int64_t dst_stride, int64_t n_rows, int64_t n_cols);

// A dense tensor of bytes with dimensions dim[0..rank): dimension i of the result is dimension
// perm[i] of the source, as ONNX Transpose has it. rank is at most PPQ_MAX_RANK.
void ppq_permute_8(ppq_isa isa, const void *src, void *dst, int rank, const int64_t *dim,
                   const int *perm);

#endif
