#include <string.h>

#include "executor/dnnl/nhwc.h"

// Concat of images, channels-last: rows of bytes that alternate between the inputs.

static bool supports(const ppq_kernel_spec *s)
{
    int axis;
    const int rank = s->out_shape[0].rank;
    if (rank < 4 || !ppq_axis_normalize(ppq_op_attr_int(s->op, "axis", 1), rank, &axis))
        return false;
    for (int i = 0; i < s->op->n_in; i++)
        if (!s->has_in[i] || s->in_const[i]) // constants come in plain layout
            return false;
    return s->in_dtype[0] == PPQ_DT_F32;
}

// Elements that follow each other in `x` before the next input's turn.
static int64_t run_length(const ppq_shape *x, int axis)
{
    if (axis == 1)
        return x->dim[1];
    return ppq_product(x->rank - PPQ_MAX(axis, 2), x->dim + PPQ_MAX(axis, 2)) * x->dim[1] *
           (axis == 0 ? x->dim[0] : 1);
}

static ppq_status forward(const void *state, ppq_kernel_ctx *c)
{
    (void) state;
    int axis = 0;
    (void) ppq_axis_normalize(ppq_op_attr_int(c->op, "axis", 1), c->out[0].shape.rank, &axis);
    const int64_t out_run = run_length(&c->out[0].shape, axis);
    const int64_t runs = ppq_shape_numel(&c->out[0].shape) / out_run;
    int64_t at = 0;
    for (int i = 0; i < c->op->n_in; i++) {
        const int64_t n = run_length(&c->in[i]->shape, axis);
        const float *x = ppq_f32(c->in[i]);
        float *y = ppq_f32(&c->out[0]) + at;
        for (int64_t r = 0; r < runs; r++)
            memcpy(y + r * out_run, x + r * n, (size_t) n * sizeof(*y));
        at += n;
    }
    return PPQ_OK;
}

const ppq_kernel ppq_kernel_concat = {
    .name = "nhwc-concat",
    .op_type = "Concat",
    .channels_last = true,
    .supports = supports,
    .prepare = ppq_prepare_nothing,
    .forward = forward,
};
