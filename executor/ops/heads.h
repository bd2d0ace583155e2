#ifndef PPQ_EXECUTOR_OPS_HEADS_H
#define PPQ_EXECUTOR_OPS_HEADS_H

#include "executor/ops/args.h"

// What the attention operators of domain com.microsoft have in common: they bring query, key, value
// and everything that is added to the scores into one form, in float32, and leave the rest to
// Attention of ONNX with their own `scale` and `softcap`.
typedef struct ppq_heads {
    int64_t batch, heads, kv_heads; // several query heads may share one of the others
    int64_t steps, past, total;     // queries; earlier keys; all keys
    int64_t size, v_size;           // of a head
    ppq_tensor q;                   // (batch, heads, steps, size)
    ppq_tensor k, v;                // (batch, kv_heads, total, size and v_size)
    ppq_tensor mask;                // (batch, heads, steps, total), added to the scores
} ppq_heads;

// Allocates the tensors for the sizes that are set; all zero.
PPQ_NODISCARD ppq_status ppq_heads_open(ppq_kernel_ctx *c, ppq_heads *h);
void ppq_heads_close(ppq_heads *h);

static inline float *ppq_head_row(const ppq_tensor *t, int64_t b, int64_t head, int64_t row)
{
    const int64_t *dim = t->shape.dim;
    return ppq_f32(t) + ((b * dim[1] + head) * dim[2] + row) * dim[3];
}

// dst, one of q, k and v, from row `row` on = columns `column`... of src (batch, rows, columns)
// plus bias[bias_at]... (NULL: none). Sizes have been checked.
void ppq_heads_fill(ppq_tensor *dst, int64_t row, const ppq_tensor *src, int64_t column,
                    const ppq_tensor *bias, int64_t bias_at);
// The first rows of dst = src[from]... of shape (batch, heads, past, size).
void ppq_heads_fill_past(ppq_tensor *dst, const ppq_tensor *src, int64_t from, int64_t past);

// Every input is float32, but for those with a bit in `others`.
ppq_status ppq_heads_check_floats(const ppq_args *a, uint32_t others);

// A step sees the keys up to its own.
void ppq_heads_mask_causal(ppq_heads *h);
// Input `slot` (absent: nothing) marks keys that count: lengths (batch), ends and starts (2 *
// batch), (batch, total), (batch, steps, total) or (batch, 1, n, n). Others get
// `mask_filter_value`.
ppq_status ppq_heads_mask_keys(ppq_kernel_ctx *c, ppq_heads *h, int slot);
// Adds input `slot` (absent: nothing), which broadcasts to the mask.
ppq_status ppq_heads_add_bias(ppq_kernel_ctx *c, ppq_heads *h, int slot);

// Output 0 = what the heads yield, as (batch, steps, heads * v_size).
ppq_status ppq_heads_run(ppq_kernel_ctx *c, const ppq_heads *h);
// The same behind ppq_heads_add_bias; all keys and values are outputs 1 and 2.
ppq_status ppq_heads_finish(ppq_kernel_ctx *c, ppq_heads *h, int bias);

// Turns a head's vector by the angle whose cosines and sines are given, half as many as `n`. Pairs
// are neighbours if interleaved, else n / 2 apart.
void ppq_head_rotate(float *x, int64_t n, const float *cosine, const float *sine, bool interleaved);

#endif
