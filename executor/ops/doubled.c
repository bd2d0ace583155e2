#include "executor/ops/doubled.h"

#include <inttypes.h>

#include "executor/ops/real.h"

ppq_status ppq_run_doubled(ppq_kernel_ctx *c, ppq_status (*run)(ppq_kernel_ctx *c))
{
    return ppq_run_as(c, PPQ_DT_F64, run);
}

ppq_status ppq_args_attr_ints(const ppq_args *a, const char *name, int64_t n, int64_t fallback,
                              int64_t *out)
{
    const int64_t *v;
    const size_t count = ppq_op_attr_ints(ppq_args_op(a), name, &v);
    if (count && count != (size_t) n)
        return ppq_args_fail(a, "%s has %zu values, expected %" PRId64, name, count, n);
    for (int64_t i = 0; i < n; i++)
        out[i] = count ? v[i] : fallback;
    return PPQ_OK;
}
