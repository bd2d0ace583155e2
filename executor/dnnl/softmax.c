#include "executor/dnnl/run.h"

// Softmax and LogSoftmax along the last dimension: rows of a matrix.

static bool supports(const ppq_kernel_spec *s)
{
    int axis;
    const int rank = s->in_shape[0].rank;
    return ppq_spec_is_f32(s) && rank >= 1 &&
           ppq_axis_normalize(ppq_op_attr_int(s->op, "axis", -1), rank, &axis) && axis == rank - 1;
}

static ppq_status make(const ppq_kernel_spec *s, bool log, void **out)
{
    const int64_t n = s->in_shape[0].dim[s->in_shape[0].rank - 1];
    const ppq_shape rows = { .rank = 2, .dim = { ppq_shape_numel(&s->in_shape[0]) / n, n } };
    const ppq_dnnl_md md = ppq_dnnl_md_of(PPQ_DT_F32, &rows, PPQ_LAYOUT_PLAIN);
    ppq_dnnl_op *op;
    PPQ_TRY(ppq_dnnl_softmax(&md, 1, log, &op));
    *out = op;
    return PPQ_OK;
}

static ppq_status prepare_softmax(const ppq_kernel_spec *s, void **out, ppq_diag *d)
{
    (void) d;
    return make(s, false, out);
}

static ppq_status prepare_log_softmax(const ppq_kernel_spec *s, void **out, ppq_diag *d)
{
    (void) d;
    return make(s, true, out);
}

const ppq_kernel ppq_kernel_softmax = {
    .name = "dnnl-softmax",
    .op_type = "Softmax",
    .supports = supports,
    .prepare = prepare_softmax,
    .forward = ppq_dnnl_forward_unary,
    .release = ppq_dnnl_release,
};

const ppq_kernel ppq_kernel_log_softmax = {
    .name = "dnnl-log-softmax",
    .op_type = "LogSoftmax",
    .supports = supports,
    .prepare = prepare_log_softmax,
    .forward = ppq_dnnl_forward_unary,
    .release = ppq_dnnl_release,
};
