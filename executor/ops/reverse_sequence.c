#include <inttypes.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/move.h"

// Every batch entry's first sequence_lens elements along the time axis in reverse order.

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_op *op = ppq_args_op(a);
    const ppq_shape *x = ppq_args_shape(a, 0), *lens = ppq_args_shape(a, 1);
    const int64_t batch = ppq_op_attr_int(op, "batch_axis", 1);
    const int64_t time = ppq_op_attr_int(op, "time_axis", 0);
    int64_t d;
    *out = *x;
    if (batch < 0 || batch > 1 || time != 1 - batch)
        return ppq_args_fail(
            a, "batch_axis %" PRId64 " and time_axis %" PRId64 " are not 0 and 1 or 1 and 0", batch,
            time);
    if (x->rank < 0)
        return PPQ_OK;
    if (x->rank < 2)
        return ppq_args_fail(a, "the input's rank is %d, expected at least 2", x->rank);
    if (lens->rank >= 0 && (lens->rank != 1 || !ppq_dim_merge(lens->dim[0], x->dim[batch], &d)))
        return ppq_args_fail(a, "sequence_lens is not a list of %" PRId64 " lengths",
                             x->dim[batch]);
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_plan(c, plan);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_tensor *x = c->in[0];
    ppq_shape out;
    PPQ_TRY(ppq_run_plan(c, plan, &out));
    const int batch = (int) ppq_op_attr_int(c->op, "batch_axis", 1), time = 1 - batch;
    const int64_t n_time = out.dim[time], slice = ppq_dims_product(&out, 2, out.rank);
    const size_t bytes = (size_t) slice * ppq_dtype_size(x->dtype);
    const int64_t stride[2] = { out.dim[1] * slice, slice };
    for (int64_t b = 0; b < out.dim[batch]; b++) {
        const int64_t len = ppq_i64(c->in[1])[b];
        if (len < 0 || len > n_time)
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                                   "sequence_lens[%" PRId64 "] is %" PRId64
                                   ", the legal range is [0, %" PRId64 "]",
                                   b, len, n_time);
        for (int64_t t = 0; t < n_time && bytes; t++) {
            const int64_t from = t < len ? len - 1 - t : t, row = b * stride[batch];
            memcpy(ppq_element(&c->out[0], row + t * stride[time]),
                   ppq_element(x, row + from * stride[time]), bytes);
        }
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    if (c->in[1]->dtype != PPQ_DT_I64)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "sequence_lens is %s, expected int64",
                               ppq_dtype_name(c->in[1]->dtype));
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_reverse_sequence = {
    .type = "ReverseSequence",
    .domain = "",
    .opset_min = 10,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .fp32_in = 0x2, // sequence_lens
    .infer = infer,
    .forward = forward,
};
