#include <inttypes.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/move.h"

// All inputs one after another along `axis`.

static ppq_status merge(const ppq_args *a, int i, int axis, ppq_shape *out)
{
    const ppq_shape *s = ppq_args_shape(a, i);
    if (s->rank != out->rank)
        return ppq_args_fail(a, "input %d has rank %d, another one %d", i, s->rank, out->rank);
    for (int k = 0; k < s->rank; k++) {
        if (k == axis) {
            out->dim[k] = ppq_dim_add(out->dim[k], s->dim[k]);
        } else if (!ppq_dim_merge(out->dim[k], s->dim[k], &out->dim[k])) {
            return ppq_args_fail(a,
                                 "dimension %d of input %d is %" PRId64 ", of another one %" PRId64,
                                 k, i, s->dim[k], out->dim[k]);
        }
    }
    return PPQ_OK;
}

static ppq_status plan(const ppq_args *a, int *axis, ppq_shape *out)
{
    const int n = ppq_args_op(a)->n_in;
    bool all_known = true, started = false;
    *axis = 0;
    *out = ppq_shape_unknown(-1);
    for (int i = 0; i < n; i++) {
        if (!ppq_args_has(a, i))
            return ppq_args_fail(a, "input %d is missing", i);
        const ppq_shape *s = ppq_args_shape(a, i);
        if (s->rank < 0) {
            all_known = false;
        } else if (!started) {
            PPQ_TRY(ppq_args_axis(a, ppq_op_attr_int(ppq_args_op(a), "axis", 1), s->rank, axis));
            *out = *s;
            started = true;
        } else {
            PPQ_TRY(merge(a, i, *axis, out));
        }
    }
    if (!all_known && started)
        out->dim[*axis] = PPQ_DIM_UNKNOWN;
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape out;
    int axis;
    PPQ_TRY(plan(&a, &axis, &out));
    ppq_dtype dt = PPQ_DT_NONE;
    for (int i = 0; i < c->op->n_in; i++) {
        if (dt != PPQ_DT_NONE && c->in_dtype[i] != PPQ_DT_NONE && dt != c->in_dtype[i])
            return ppq_infer_fail(c, "input %d is %s, another one %s", i,
                                  ppq_dtype_name(c->in_dtype[i]), ppq_dtype_name(dt));
        if (dt == PPQ_DT_NONE)
            dt = c->in_dtype[i];
    }
    return ppq_infer_out(c, 0, dt, &out);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    ppq_shape out;
    int axis;
    PPQ_TRY(plan(&a, &axis, &out));
    PPQ_TRY(ppq_run_out(c, 0, c->in[0]->dtype, &out));
    const size_t es = ppq_dtype_size(c->in[0]->dtype);
    const size_t row = (size_t) ppq_dims_product(&out, axis, out.rank) * es;
    const int64_t rows = ppq_dims_product(&out, 0, axis);
    unsigned char *dst = ppq_tensor_data(&c->out[0]);
    if (ppq_shape_numel(&out) <= 0)
        return PPQ_OK;
    for (int i = 0; i < c->op->n_in; i++) {
        const unsigned char *src = ppq_tensor_data(c->in[i]);
        const size_t part = (size_t) ppq_dims_product(&c->in[i]->shape, axis, out.rank) * es;
        if (c->in[i]->dtype != c->in[0]->dtype)
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input %d is %s and input 0 is %s", i,
                                   ppq_dtype_name(c->in[i]->dtype),
                                   ppq_dtype_name(c->in[0]->dtype));
        for (int64_t r = 0; r < rows; r++)
            memcpy(dst + (size_t) r * row, src + (size_t) r * part, part);
        dst += part;
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_concat = {
    .type = "Concat",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = -1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_CONCAT,
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_moved,
};
