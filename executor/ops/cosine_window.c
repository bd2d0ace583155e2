#include "executor/ops/cosine_window.h"

#include <inttypes.h>
#include <math.h>

#include "executor/ops/convert.h"

static ppq_status plan(const ppq_args *a, ppq_dtype *dt, ppq_shape *out)
{
    const int64_t type = ppq_op_attr_int(ppq_args_op(a), "output_datatype", PPQ_DT_F32);
    int64_t size, n;
    *dt = (ppq_dtype) type;
    PPQ_TRY(ppq_args_ints(a, 0, &size, 1, &n));
    if (type < 1 || type >= PPQ_DT_COUNT || !ppq_convert_knows((ppq_dtype) type))
        return ppq_args_fail(a, "output_datatype %" PRId64 " is not a number type", type);
    if (n == 0 || (n == 1 && size < 0))
        return ppq_args_fail(a, "the size is %" PRId64 ", expected at least 0", n ? size : -1);
    *out = ppq_shape_1d(n == 1 ? size : PPQ_DIM_UNKNOWN);
    return PPQ_OK;
}

ppq_status ppq_infer_cosine_window(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape out;
    ppq_dtype dt;
    PPQ_TRY(plan(&a, &dt, &out));
    return ppq_infer_out(c, 0, dt, &out);
}

ppq_status ppq_run_cosine_window(ppq_kernel_ctx *c, const double *a)
{
    const ppq_args args = ppq_args_run(c);
    ppq_shape out;
    ppq_dtype dt;
    PPQ_TRY(plan(&args, &dt, &out));
    PPQ_TRY(ppq_run_out(c, 0, dt, &out));
    const int64_t n = out.dim[0], period = ppq_op_attr_int(c->op, "periodic", 1) ? n : n - 1;
    for (int64_t i = 0; i < n; i++) {
        const double t = period ? 2 * 3.14159265358979323846 * (double) i / (double) period : 0;
        const double v = a[0] - a[1] * cos(t) + a[2] * cos(2 * t);
        ppq_store_f64(&c->out[0], i, 1, &v, PPQ_CONVERT_DEFAULT);
    }
    return PPQ_OK;
}
