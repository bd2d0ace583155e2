#include <math.h>

#include "executor/ops/doubled.h"
#include "executor/ops/real.h"

// Y = A * sigmoid(alpha * A) * B.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 2, 2));
    const ppq_shape *a = &c->in_shape[0], *b = &c->in_shape[1];
    ppq_shape out = a->rank < 0 ? *b : *a;
    bool fits = a->rank < 0 || b->rank < 0 || a->rank == b->rank;
    for (int i = 0; fits && i < a->rank && b->rank >= 0; i++)
        fits = ppq_dim_merge(a->dim[i], b->dim[i], &out.dim[i]);
    if (!fits)
        return ppq_infer_fail(c, "the two inputs differ in shape");
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const double alpha = (double) ppq_op_attr_float(c->op, "alpha", 1);
    const double *a = ppq_f64(c->in[0]), *b = ppq_f64(c->in[1]);
    const int64_t n = ppq_shape_numel(&c->out[0].shape);
    for (int64_t i = 0; i < n; i++)
        ppq_f64(&c->out[0])[i] = a[i] / (1 + exp(-alpha * a[i])) * b[i];
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_doubled(c, run);
}

const ppq_op_def ppq_op_swi_glu = {
    .type = "SwiGLU",
    .domain = "",
    .opset_min = 28,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
