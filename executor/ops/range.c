#include <math.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"
#include "executor/ops/types.h"

// start, start + delta, ... before limit.

static ppq_status count_of(const ppq_args *a, int64_t *out)
{
    const ppq_tensor *t[3];
    double v[3];
    *out = PPQ_DIM_UNKNOWN;
    for (int i = 0; i < 3; i++) {
        t[i] = ppq_args_value(a, i);
        if (!t[i])
            return PPQ_OK;
        if (!ppq_const_scalar(t[i], &v[i]))
            return ppq_args_fail(a, "input %d is not one number", i);
    }
    if (v[2] == 0)
        return ppq_args_fail(a, "delta is 0");
    double n = ceil((v[1] - v[0]) / v[2]);
    if (t[0]->dtype == PPQ_DT_I64) { // exact where double is not
        const int64_t from = *ppq_i64(t[0]), to = *ppq_i64(t[1]), step = *ppq_i64(t[2]);
        if (from > -(INT64_C(1) << 62) && from < INT64_C(1) << 62 && to > -(INT64_C(1) << 62) &&
            to < INT64_C(1) << 62) {
            const int64_t span = to - from, q = span / step, r = span % step;
            n = (double) (q + (r != 0 && (r < 0) == (step < 0)));
        }
    }
    if (!(n < 1e15))
        return ppq_args_fail(a, "from %g to %g by %g are too many numbers", v[0], v[1], v[2]);
    *out = n > 0 ? (int64_t) n : 0;
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape out = ppq_shape_1d(PPQ_DIM_UNKNOWN);
    for (int i = 1; i < 3; i++)
        if (c->in_dtype[i] != c->in_dtype[0] && c->in_dtype[i] != PPQ_DT_NONE &&
            c->in_dtype[0] != PPQ_DT_NONE)
            return ppq_infer_fail(c, "input %d is %s and input 0 is %s", i,
                                  ppq_dtype_name(c->in_dtype[i]), ppq_dtype_name(c->in_dtype[0]));
    PPQ_TRY(count_of(&a, &out.dim[0]));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    enum { CHUNK = 256 };
    const ppq_args a = ppq_args_run(c);
    const ppq_dtype dt = c->in[0]->dtype;
    ppq_shape out = ppq_shape_1d(0);
    PPQ_TRY(count_of(&a, &out.dim[0]));
    PPQ_TRY(ppq_run_out(c, 0, dt, &out));
    for (int64_t i = 0; i < out.dim[0]; i += CHUNK) {
        const int64_t m = PPQ_MIN(out.dim[0] - i, (int64_t) CHUNK);
        if (ppq_dtype_is_integer(dt)) {
            int64_t start, delta, v[CHUNK];
            ppq_load_i64(c->in[0], 0, 1, &start);
            ppq_load_i64(c->in[2], 0, 1, &delta);
            for (int64_t k = 0; k < m; k++)
                v[k] = (int64_t) ((uint64_t) start + (uint64_t) (i + k) * (uint64_t) delta);
            ppq_store_i64(&c->out[0], i, m, v);
        } else {
            double start, delta, v[CHUNK];
            ppq_load_f64(c->in[0], 0, 1, &start);
            ppq_load_f64(c->in[2], 0, 1, &delta);
            for (int64_t k = 0; k < m; k++)
                v[k] = start + (double) (i + k) * delta;
            ppq_store_f64(&c->out[0], i, m, v, PPQ_CONVERT_DEFAULT);
        }
    }
    return PPQ_OK;
}

const ppq_op_def ppq_op_range = {
    .type = "Range",
    .domain = "",
    .opset_min = 11,
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS,
    .soi_in = 0x7, // start, limit, delta
    .infer = infer,
    .forward = forward,
};
