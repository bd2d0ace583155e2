#ifndef PPQ_EXECUTOR_OPS_STACK_H
#define PPQ_EXECUTOR_OPS_STACK_H

#include "core/op_def.h"

// Takes tensors apart along an axis and puts them together again: what Loop and Scan feed to their
// bodies and collect from them.

// Element `index` of x along `axis`, without that axis. The caller unrefs it.
PPQ_NODISCARD ppq_status ppq_unstack(ppq_kernel_ctx *c, const ppq_tensor *x, int axis,
                                     int64_t index, ppq_tensor *out);

// Tensors of one type and shape, one behind the other. A zeroed struct is empty.
typedef struct ppq_stack {
    ppq_tensor data; // bytes
    ppq_dtype dtype;
    ppq_shape element;
    size_t element_bytes;
    int64_t n, room;
} ppq_stack;

void ppq_stack_fini(ppq_stack *s);
PPQ_NODISCARD ppq_status ppq_stack_push(ppq_kernel_ctx *c, ppq_stack *s, const ppq_tensor *t);
// Output `slot` = the elements along a new axis, the last one first if `reverse`. `declared` tells
// type and shape of an element when there is none.
PPQ_NODISCARD ppq_status ppq_stack_store(ppq_kernel_ctx *c, const ppq_stack *s,
                                         const ppq_var *declared, int64_t axis, bool reverse,
                                         int slot);

#endif
