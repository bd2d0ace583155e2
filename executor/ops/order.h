#ifndef PPQ_EXECUTOR_OPS_ORDER_H
#define PPQ_EXECUTOR_OPS_ORDER_H

#include "core/tensor.h"

// Sorting numbers of any type: a key is an integer that has the number's order. -0 equals 0, and
// NaN comes after everything else.
uint64_t ppq_order_key(const ppq_tensor *t, int64_t i);

typedef struct ppq_ranked {
    uint64_t key;
    int64_t index; // decides between equal keys: the smaller one first
} ppq_ranked;

// Moves the k first of n into the beginning of v, in order.
void ppq_select_first(ppq_ranked *v, int64_t n, int64_t k);

#endif
