#ifndef PPQ_EXECUTOR_OPS_CONVERT_H
#define PPQ_EXECUTOR_OPS_CONVERT_H

#include "core/tensor.h"

// Elements of any numeric ONNX type as double or int64, `n` of them from index `first` on.

typedef struct ppq_convert_mode {
    bool saturate;  // float8 types: too large becomes the largest value, not NaN or infinity
    int round_e8m0; // float8e8m0: -1 down, 0 nearest (ties up), 1 up
} ppq_convert_mode;

#define PPQ_CONVERT_DEFAULT ((ppq_convert_mode){ .saturate = true, .round_e8m0 = 1 })

bool ppq_convert_knows(ppq_dtype dt); // a real number type
void ppq_load_f64(const ppq_tensor *t, int64_t first, int64_t n, double *dst);
// Integers and bool only; uint64 wraps.
void ppq_load_i64(const ppq_tensor *t, int64_t first, int64_t n, int64_t *dst);
// To an integer: towards zero, NaN to 0; what does not fit 64 bits saturates, then wraps.
void ppq_store_f64(ppq_tensor *t, int64_t first, int64_t n, const double *src,
                   ppq_convert_mode mode);
void ppq_store_i64(ppq_tensor *t, int64_t first, int64_t n, const int64_t *src);
// All elements of `src` into `dst`, which has as many. Both real number types.
void ppq_convert(const ppq_tensor *src, ppq_tensor *dst, ppq_convert_mode mode);

#endif
