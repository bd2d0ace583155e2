#ifndef PPQ_EXECUTOR_OPS_DIVISOR_H
#define PPQ_EXECUTOR_OPS_DIVISOR_H

#include <inttypes.h>

#include "core/op_def.h"
#include "executor/ops/convert.h"
#include "executor/ops/types.h"

// Div and Mod of integers trap on a divisor of 0: it is an error of the data instead.
static inline ppq_status ppq_check_divisor(ppq_kernel_ctx *c)
{
    enum { CHUNK = 256 };
    const ppq_tensor *b = c->in[1];
    if (!ppq_dtype_is_integer(b->dtype))
        return PPQ_OK;
    const int64_t n = ppq_shape_numel(&b->shape);
    for (int64_t i = 0; i < n; i += CHUNK) {
        const int64_t m = PPQ_MIN(n - i, (int64_t) CHUNK);
        int64_t v[CHUNK];
        ppq_load_i64(b, i, m, v);
        for (int64_t k = 0; k < m; k++)
            if (v[k] == 0)
                return ppq_kernel_fail(c, PPQ_ERR_NUMERIC,
                                       "division by zero: element %" PRId64 " of input 1 is 0",
                                       i + k);
    }
    return PPQ_OK;
}

#endif
