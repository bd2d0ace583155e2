#include "executor/ops/random.h"

#include <inttypes.h>
#include <string.h>

#include "executor/ops/convert.h"

static ppq_status plan(const ppq_args *a, bool like, ppq_dtype *dt, ppq_shape *out)
{
    const ppq_op *op = ppq_args_op(a);
    const int64_t type = ppq_op_attr_int(op, "dtype", like ? ppq_args_dtype(a, 0) : PPQ_DT_F32);
    *dt = (ppq_dtype) type;
    *out = *ppq_args_shape(a, 0);
    if (type < 0 || type >= PPQ_DT_COUNT || (type && !ppq_convert_knows(*dt)))
        return ppq_args_fail(a, "dtype %" PRId64 " is not a number type", type);
    if (like)
        return PPQ_OK;
    const int64_t *dim;
    const size_t n = ppq_op_attr_ints(op, "shape", &dim);
    if (n > PPQ_MAX_RANK)
        return ppq_args_fail(a, "shape has %zu values, at most %d are supported", n, PPQ_MAX_RANK);
    out->rank = (int32_t) n;
    for (size_t i = 0; i < n; i++) {
        if (dim[i] < 0)
            return ppq_args_fail(a, "a dimension is %" PRId64 ", expected at least 0", dim[i]);
        out->dim[i] = dim[i];
    }
    return PPQ_OK;
}

ppq_status ppq_infer_random(ppq_infer_ctx *c, bool like)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_dtype dt;
    ppq_shape out;
    PPQ_TRY(plan(&a, like, &dt, &out));
    return ppq_infer_out(c, 0, dt, &out);
}

ppq_status ppq_run_random(ppq_kernel_ctx *c, bool like, ppq_draw draw)
{
    const ppq_args a = ppq_args_run(c);
    const float seed = ppq_op_attr_float(c->op, "seed", 0);
    uint32_t bits;
    ppq_dtype dt;
    ppq_shape out;
    PPQ_TRY(plan(&a, like, &dt, &out));
    PPQ_TRY(ppq_run_out(c, 0, dt, &out));
    memcpy(&bits, &seed, sizeof(bits));
    ppq_rng rng = ppq_rng_seed(bits, c->op->id);
    const int64_t n = ppq_shape_numel(&out);
    for (int64_t i = 0; i < n; i++) {
        const double v = draw(c, &rng, i);
        ppq_store_f64(&c->out[0], i, 1, &v, PPQ_CONVERT_DEFAULT);
    }
    return PPQ_OK;
}

double ppq_draw_uniform(ppq_kernel_ctx *c, ppq_rng *r, int64_t i)
{
    const double low = (double) ppq_op_attr_float(c->op, "low", 0);
    (void) i;
    return low + ((double) ppq_op_attr_float(c->op, "high", 1) - low) * ppq_rng_uniform(r);
}

double ppq_draw_normal(ppq_kernel_ctx *c, ppq_rng *r, int64_t i)
{
    (void) i;
    return (double) ppq_op_attr_float(c->op, "mean", 0) +
           (double) ppq_op_attr_float(c->op, "scale", 1) * ppq_rng_normal(r);
}
