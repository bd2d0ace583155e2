#ifndef PPQ_EXECUTOR_OPS_INTEGER_H
#define PPQ_EXECUTOR_OPS_INTEGER_H

#include "core/op_def.h"

// Operators on stored integers: ConvInteger, MatMulInteger, QLinearConv, QLinearMatMul.

// Input `slot` is uint8 or int8, and so is its zero point, of the same type, in slot `zero`.
ppq_status ppq_infer_stored(ppq_infer_ctx *c, int slot, int zero);
// Input `slot` has one element, or `n` (negative: not known).
ppq_status ppq_infer_one_or(ppq_infer_ctx *c, int slot, int64_t n);
// Output 0 has the type of zero point `zero`, and scales `s[0..n)` are float32 (`halves`: or half
// as wide).
ppq_status ppq_infer_scales(ppq_infer_ctx *c, int zero, const int *s, int n, bool halves);

// out = x - zero as int32, of x's shape, from the pool; the caller unrefs it. Element i of x uses
// element i / inner % n of the n zero points; none (NULL) is zero.
ppq_status ppq_minus_zero(ppq_kernel_ctx *c, const ppq_tensor *x, const ppq_tensor *zero,
                          int64_t inner, ppq_tensor *out);

// ConvInteger and MatMulInteger: operands 0 and 1, their zero points 2 and 3, of which there may be
// as many as said (negative: not known). The output is int32.
ppq_status ppq_infer_integers(ppq_infer_ctx *c, int64_t n_zero_0, int64_t n_zero_1);
// Both operands minus their zero points, as above; the caller unrefs them.
ppq_status ppq_run_integers(ppq_kernel_ctx *c, int64_t inner_0, int64_t inner_1, ppq_tensor out[2]);

// One scale per row, per column, or one: element [i / inner % n].
typedef struct ppq_scales {
    const float *v;
    int64_t n, inner;
} ppq_scales;

// Output 0 = acc * a * b quantized with the scale and zero point in these slots.
ppq_status ppq_requantize(ppq_kernel_ctx *c, const int32_t *acc, ppq_scales a, ppq_scales b,
                          int scale, int zero);

#endif
