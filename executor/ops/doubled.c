#include "executor/ops/doubled.h"

#include <inttypes.h>

#include "executor/ops/convert.h"

static bool is_narrow(ppq_dtype dt)
{
    return ppq_dtype_is_float(dt) && dt != PPQ_DT_F64;
}

static ppq_status alloc_double(ppq_kernel_ctx *c, const ppq_tensor *like, ppq_tensor *out)
{
    if (ppq_tensor_alloc_pool(out, PPQ_DT_F64, &like->shape, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate a float64 copy");
    return PPQ_OK;
}

ppq_status ppq_run_doubled(ppq_kernel_ctx *c, ppq_status (*run)(ppq_kernel_ctx *c))
{
    const int n_in = c->op->n_in, n_out = c->op->n_out;
    ppq_tensor *in = ppq_new_n(c->scratch, ppq_tensor, (size_t) n_in + 1);
    ppq_tensor *out = ppq_new_n(c->scratch, ppq_tensor, (size_t) n_out + 1);
    const ppq_tensor **in_ptr = ppq_new_n(c->scratch, const ppq_tensor *, (size_t) n_in + 1);
    ppq_status st = PPQ_OK;
    for (int i = 0; st == PPQ_OK && i < n_in; i++) {
        in_ptr[i] = c->in[i];
        if (!c->in[i] || !is_narrow(c->in[i]->dtype))
            continue;
        if ((st = alloc_double(c, c->in[i], &in[i])) == PPQ_OK)
            ppq_convert(c->in[i], &in[i], PPQ_CONVERT_DEFAULT);
        in_ptr[i] = &in[i];
    }
    for (int i = 0; st == PPQ_OK && i < n_out; i++) {
        if (!c->out[i].buf)
            st = ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the inputs do not tell the size of output %d",
                                 i);
        else if (is_narrow(c->out[i].dtype))
            st = alloc_double(c, &c->out[i], &out[i]);
        else
            out[i] = ppq_tensor_ref(&c->out[i]);
    }
    if (st == PPQ_OK) {
        ppq_kernel_ctx wide = *c;
        wide.in = in_ptr;
        wide.out = out;
        st = run(&wide);
    }
    for (int i = 0; i < n_out; i++) {
        if (st == PPQ_OK && is_narrow(c->out[i].dtype))
            ppq_convert(&out[i], &c->out[i], PPQ_CONVERT_DEFAULT);
        ppq_tensor_unref(&out[i]);
    }
    for (int i = 0; i < n_in; i++)
        ppq_tensor_unref(&in[i]);
    return st;
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
