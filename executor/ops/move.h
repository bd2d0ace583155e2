#ifndef PPQ_EXECUTOR_OPS_MOVE_H
#define PPQ_EXECUTOR_OPS_MOVE_H

#include "core/op_def.h"
#include "executor/ops/args.h"

// Operators that move elements and never look at them work on bytes: any type of 8 bits or more.
// Types below are unpacked around them, and strings get a buffer of their own afterwards.

#define PPQ_MOVE_RANK (2 * PPQ_MAX_RANK)

// Drops dimensions of 1 and joins neighbours wherever all `n` stride arrays allow it. Returns
// the new rank, at least 1.
int ppq_dims_collapse(int rank, int64_t *dim, int64_t *const *strides, int n);

// dst[i * dst_stride] = src[i * src_stride] for every index i in `dim`; strides in elements, 0
// and negative ones are fine for src. `es` is 1, 2, 4, 8 or 16 bytes; rank <= PPQ_MOVE_RANK.
void ppq_copy_nd(void *dst, const int64_t *dst_stride, const void *src, const int64_t *src_stride,
                 const int64_t *dim, int rank, size_t es);
// The same with a dense dst.
void ppq_copy_dense(void *dst, const void *src, const int64_t *src_stride, const int64_t *dim,
                    int rank, size_t es);
// dst[i, j, ...] = src[table[0][i] + table[1][j] + ...]: tables hold element offsets, one for each
// index of dst's dimension. Rank at least 1.
void ppq_copy_mapped(const ppq_tensor *src, ppq_tensor *dst, int64_t *const *table);
// n copies of one element.
void ppq_fill(void *dst, const void *element, int64_t n, size_t es);

// Calls `run` for an operator that moves elements of input `slot` and of other inputs of its type.
ppq_status ppq_run_moved(ppq_kernel_ctx *c, int slot, ppq_status (*run)(ppq_kernel_ctx *c));
// out[0] = in[0]'s elements under the shape `s`.
ppq_status ppq_run_copy(ppq_kernel_ctx *c, const ppq_shape *s);
ppq_status ppq_run_copy_plan(ppq_kernel_ctx *c, ppq_plan plan);
// Defines `infer` and `forward` of an operator that does no more, and finds the shape by `plan`.
#define COPY_PLAN(plan)                          \
    static ppq_status infer(ppq_infer_ctx *c)    \
    {                                            \
        return ppq_infer_plan(c, plan);          \
    }                                            \
    static ppq_status forward(ppq_kernel_ctx *c) \
    {                                            \
        return ppq_run_copy_plan(c, plan);       \
    }
// Output i, a string tensor whose elements point anywhere, gets them into its own buffer.
ppq_status ppq_run_own_strings(ppq_kernel_ctx *c, int i);

// Bytes of element i on.
static inline unsigned char *ppq_element(const ppq_tensor *t, int64_t i)
{
    return (unsigned char *) ppq_tensor_data(t) + i * (int64_t) ppq_dtype_size(t->dtype);
}

#endif
