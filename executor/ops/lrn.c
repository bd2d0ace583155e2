#include <math.h>

#include "executor/ops/norm.h"
#include "executor/ops/window.h"

// Y = X / (bias + alpha / size * s)^beta, s the sum of squares over `size` neighbouring channels.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 1, 1));
    const int64_t size = ppq_op_attr_int(c->op, "size", 0);
    if (size < 1 || size > INT32_MAX)
        return ppq_infer_fail(c, "size is %lld, expected 1 to %d", (long long) size, INT32_MAX);
    if (c->in_shape[0].rank >= 0 && c->in_shape[0].rank < 2)
        return ppq_infer_fail(c, "the input has rank %d, expected 2 to %d", c->in_shape[0].rank,
                              PPQ_MAX_RANK);
    return ppq_infer_same(c);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_real *r = ppq_real_of(c);
    if (!r)
        return PPQ_ERR_UNSUPPORTED;
    const ppq_shape *s = &c->in[0]->shape;
    const int64_t channels = s->dim[1], n = ppq_product(s->rank - 2, s->dim + 2);
    const int64_t size = ppq_op_attr_int(c->op, "size", 1);
    const double factor = (double) ppq_op_attr_float(c->op, "alpha", 1e-4f) / (double) size;
    const double beta = (double) ppq_op_attr_float(c->op, "beta", 0.75f);
    const double bias = (double) ppq_op_attr_float(c->op, "bias", 1.0f);
    if (ppq_shape_numel(s) == 0)
        return PPQ_OK;
    for (int64_t plane = 0; plane < s->dim[0] * channels; plane++) {
        const int64_t ch = plane % channels;
        const int64_t lo = PPQ_MAX(ch - (size - 1) / 2, 0);
        const int64_t hi = PPQ_MIN(ch + size / 2, channels - 1);
        const void *first = ppq_at(r, c->in[0], (plane - ch + lo) * n);
        for (int64_t i = 0; i < n; i++) {
            const void *column = (const char *) first + (size_t) i * r->size;
            const double sum = r->sum_pow(column, hi - lo + 1, n, 2);
            const double x = r->load(ppq_tensor_data(c->in[0]), plane * n + i);
            r->store(ppq_tensor_data(&c->out[0]), plane * n + i,
                     x / pow(bias + factor * sum, beta));
        }
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_lrn = {
    .type = "LRN",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
