#include <inttypes.h>
#include <string.h>

#include "executor/ops/convert.h"
#include "executor/ops/doubled.h"
#include "executor/ops/real.h"
#include "executor/ops/window.h"

// Puts the values of a MaxPool back where its indices say, and zeros elsewhere. The indices count
// in the shape that the attributes imply; output_shape may add room behind it.

static ppq_status implied(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    int64_t kernel[PPQ_MAX_SPATIAL], stride[PPQ_MAX_SPATIAL], pad[2 * PPQ_MAX_SPATIAL];
    *out = *x;
    if (x->rank < 0)
        return PPQ_OK;
    const int n = x->rank - 2;
    if (n < 1)
        return ppq_args_fail(a, "the input has rank %d, expected at least 3", x->rank);
    PPQ_TRY(ppq_args_attr_ints(a, "kernel_shape", n, 1, kernel));
    PPQ_TRY(ppq_args_attr_ints(a, "strides", n, 1, stride));
    PPQ_TRY(ppq_args_attr_ints(a, "pads", 2 * n, 0, pad));
    for (int i = 0; i < n; i++) {
        const int64_t most = INT32_MAX, have = x->dim[2 + i];
        const bool legal = kernel[i] >= 1 && kernel[i] <= most && stride[i] >= 1 &&
                           stride[i] <= most && pad[i] >= 0 && pad[i] <= most && pad[n + i] >= 0 &&
                           pad[n + i] <= most && have <= most;
        int64_t d = PPQ_DIM_UNKNOWN;
        if (legal && have >= 0)
            d = (have - 1) * stride[i] - pad[i] - pad[n + i] + kernel[i];
        if (!legal || (have >= 0 && d < 0))
            return ppq_args_fail(a, "kernel, stride or pads of dimension %d are illegal", i);
        out->dim[2 + i] = d;
    }
    return PPQ_OK;
}

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0), *at = ppq_args_shape(a, 1);
    int64_t size[PPQ_MAX_RANK], n;
    PPQ_TRY(implied(a, out));
    bool fits = x->rank < 0 || at->rank < 0 || x->rank == at->rank;
    for (int i = 0; fits && x->rank >= 0 && i < at->rank; i++) {
        int64_t d;
        fits = ppq_dim_merge(x->dim[i], at->dim[i], &d);
    }
    if (!fits)
        return ppq_args_fail(a, "values and indices differ in shape");
    PPQ_TRY(ppq_args_ints(a, 2, size, PPQ_MAX_RANK, &n));
    if (x->rank < 0 || !ppq_args_has(a, 2))
        return PPQ_OK;
    if (n < 0) {
        *out = ppq_shape_unknown(x->rank);
        return PPQ_OK;
    }
    if (n != x->rank)
        return ppq_args_fail(a, "output_shape has %" PRId64 " values, expected %d", n, x->rank);
    for (int i = 0; i < x->rank; i++) {
        if (size[i] < 0 || size[i] < out->dim[i])
            return ppq_args_fail(a, "output_shape[%d] is %" PRId64 ", expected at least %" PRId64,
                                 i, size[i], out->dim[i]);
        out->dim[i] = size[i];
    }
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 2, 1));
    return ppq_infer_plan(c, plan);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_shape *out = &c->out[0].shape;
    ppq_shape inner;
    int64_t stride[PPQ_MAX_RANK];
    PPQ_TRY(implied(&a, &inner));
    const int64_t n = ppq_shape_numel(&c->in[0]->shape), room = ppq_shape_numel(&inner);
    ppq_shape_strides(out, stride);
    memset(ppq_tensor_data(&c->out[0]), 0, ppq_tensor_bytes(&c->out[0]));
    for (int64_t i = 0; i < n; i++) {
        int64_t rest, to = 0;
        ppq_load_i64(c->in[1], i, 1, &rest);
        if (rest < 0 || rest >= room)
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                                   "index %" PRId64 " is outside [0, %" PRId64 ")", rest, room);
        for (int k = inner.rank - 1; k >= 0; k--) {
            to += rest % inner.dim[k] * stride[k];
            rest /= inner.dim[k];
        }
        ppq_f64(&c->out[0])[to] = ppq_f64(c->in[0])[i];
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    ppq_shape out;
    PPQ_TRY(plan(&a, &out));
    if (c->in[1]->dtype != PPQ_DT_I64)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the indices are %s, expected int64",
                               ppq_dtype_name(c->in[1]->dtype));
    PPQ_TRY(ppq_run_out(c, 0, c->in[0]->dtype, &out));
    return ppq_run_doubled(c, run);
}

const ppq_op_def ppq_op_max_unpool = {
    .type = "MaxUnpool",
    .domain = "",
    .opset_min = 9,
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .soi_in = 0x4,  // output_shape
    .fp32_in = 0x2, // indices
    .infer = infer,
    .forward = forward,
};
