#include <math.h>

#include "executor/ops/norm.h"
#include "executor/ops/window.h"

// Y = X / sqrt(mean(X * X) + epsilon) * scale over all dimensions from an axis on.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 2, 2));
    PPQ_TRY(ppq_infer_norm_param(c, 1));
    if (c->in_shape[0].rank >= 0)
        PPQ_TRY(ppq_infer_axis(c, -1, c->in_shape[0].rank));
    PPQ_TRY(ppq_infer_same(c));
    c->out_dtype[0] = c->in_dtype[1] == PPQ_DT_NONE ? c->in_dtype[0] : c->in_dtype[1];
    return PPQ_OK;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_real *r = ppq_real_of(c);
    if (!r)
        return PPQ_ERR_UNSUPPORTED;
    const ppq_shape *s = &c->in[0]->shape;
    const int axis = ppq_run_axis(c, -1);
    const int64_t rows = ppq_product(axis, s->dim);
    const int64_t n = ppq_product(s->rank - axis, s->dim + axis);
    const double eps = (double) ppq_op_attr_float(c->op, "epsilon", 1e-5f);
    ppq_tensor scale;
    int64_t period;
    PPQ_TRY(ppq_norm_param(c, r, c->in[1], axis, &scale, &period));
    for (int64_t i = 0; n && i < rows; i++) {
        const void *x = ppq_at(r, c->in[0], i * n);
        const double inv = 1 / sqrt(r->sum_sq(x, n, 0) / (double) n + eps);
        r->normalize(ppq_at(r, &c->out[0], i * n), x, n, 0, inv, ppq_at(r, &scale, i * n % period),
                     NULL);
    }
    ppq_tensor_unref(&scale);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_rms_normalization = {
    .type = "RMSNormalization",
    .domain = "",
    .opset_min = 23,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
