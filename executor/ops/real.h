#ifndef PPQ_EXECUTOR_OPS_REAL_H
#define PPQ_EXECUTOR_OPS_REAL_H

#include "core/op_def.h"

// Operators over real numbers are written for float32 and float64. float16 and bfloat16 go
// through float32 copies, and the row arithmetic that does not care which of the two it has
// goes through one table of functions per type, with every sum kept in double.

// The first `required` inputs are there, every input among the first `count` is of a float type,
// float64 never meets another one, and there is an output.
ppq_status ppq_infer_floats(ppq_infer_ctx *c, int required, int count);
// The same for any type: just presence.
ppq_status ppq_infer_present(ppq_infer_ctx *c, int required);

// Calls `run` with copies of type `wide` in place of inputs and outputs of smaller float types.
// Every output must have been allocated; it is an error of the model when infer could not tell its
// size.
ppq_status ppq_run_as(ppq_kernel_ctx *c, ppq_dtype wide, ppq_status (*run)(ppq_kernel_ctx *c));
// The same with float32, if any input is of half width; just `run` otherwise.
ppq_status ppq_run_widened(ppq_kernel_ctx *c, ppq_status (*run)(ppq_kernel_ctx *c));

typedef struct ppq_real {
    size_t size; // bytes of an element
    double (*load)(const void *x, int64_t i);
    void (*store)(void *y, int64_t i, double v);
    double (*max)(const void *x, int64_t n); // lowest value when n is 0; NaN is skipped
    double (*sum)(const void *x, int64_t n, int64_t stride);
    double (*sum_sq)(const void *x, int64_t n, double mean);               // of (x - mean)
    double (*sum_pow)(const void *x, int64_t n, int64_t stride, double p); // of |x|
    void (*affine)(void *y, const void *x, int64_t n, double scale, double shift);
    // y = (x - mean) * inv * scale + bias, element by element; bias may be NULL
    void (*normalize)(void *y, const void *x, int64_t n, double mean, double inv, const void *scale,
                      const void *bias);
    void (*scale)(void *y, const void *x, int64_t n, int64_t stride, double divisor);
    // Over n elements `stride` apart.
    void (*softmax)(void *y, const void *x, int64_t n, int64_t stride);
    void (*log_softmax)(void *y, const void *x, int64_t n, int64_t stride);
} ppq_real;

// NULL, with the error recorded, unless input 0 is float32 or float64.
const ppq_real *ppq_real_of(ppq_kernel_ctx *c);

static inline void *ppq_at(const ppq_real *r, const ppq_tensor *t, int64_t i)
{
    return (char *) ppq_tensor_data(t) + (size_t) i * r->size;
}

#endif
