#ifndef PPQ_EXECUTOR_OPS_ORDER_H
#define PPQ_EXECUTOR_OPS_ORDER_H

#include "core/tensor.h"

// Sorting numbers of any type: a key is an integer that has the number's order. -0 equals 0, and
// NaN comes after everything else.
uint64_t ppq_order_key(const ppq_tensor *t, int64_t i);

// A total order of items that are known by number.
typedef bool (*ppq_before)(const void *user, int64_t a, int64_t b);

// `user` is an array of keys: by key, and among equals by number.
bool ppq_key_before(const void *user, int64_t a, int64_t b);
// Moves the k first of n items to the beginning of v, in order; k <= n.
void ppq_select_first(int64_t *v, int64_t n, int64_t k, ppq_before before, const void *user);

#endif
