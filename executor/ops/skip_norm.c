#include "executor/ops/skip_norm.h"

#include <math.h>

#include "executor/ops/real.h"

ppq_status ppq_infer_skip_norm(ppq_infer_ctx *c)
{
    const ppq_shape *x = &c->in_shape[0];
    ppq_shape stat = *x;
    PPQ_TRY(ppq_infer_floats(c, 3, c->op->n_in));
    if (x->rank == 0)
        return ppq_infer_fail(c, "a scalar cannot be normalized");
    if (x->rank > 0)
        stat.dim[x->rank - 1] = 1;
    const ppq_dtype dt = c->in_dtype[0];
    const ppq_dtype stat_dt = dt == PPQ_DT_NONE ? dt : PPQ_DT_F32;
    PPQ_TRY(ppq_infer_out(c, 0, dt, x));
    PPQ_TRY(ppq_infer_out(c, 1, stat_dt, &stat));
    PPQ_TRY(ppq_infer_out(c, 2, stat_dt, &stat));
    return ppq_infer_out(c, 3, dt, x);
}

static const double *optional(const ppq_kernel_ctx *c, int slot)
{
    return slot >= 0 && slot < c->op->n_in && c->in[slot] ? ppq_f64(c->in[slot]) : NULL;
}

static ppq_status check(ppq_kernel_ctx *c, int64_t total, int64_t n)
{
    for (int i = 1; i < c->op->n_in; i++) {
        const int64_t have = c->in[i] ? ppq_shape_numel(&c->in[i]->shape) : n;
        if (i == 1 ? have == 0 || total % have || have % n : have != n)
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input %d does not fit the first", i);
    }
    return PPQ_OK;
}

ppq_status ppq_run_skip_norm(ppq_kernel_ctx *c, const ppq_skip_norm *s)
{
    const ppq_shape *x = &c->in[0]->shape;
    const int64_t total = ppq_shape_numel(x), n = x->dim[x->rank - 1];
    if (total == 0)
        return PPQ_OK;
    PPQ_TRY(check(c, total, n));
    const int64_t n_skip = ppq_shape_numel(&c->in[1]->shape);
    const double *scale = optional(c, s->scale), *shift = optional(c, s->shift);
    const double *bias = optional(c, s->bias);
    const double epsilon = (double) ppq_op_attr_float(c->op, "epsilon", 1e-12f);
    for (int64_t r = 0; r < total / n; r++) {
        double *y = ppq_f64(&c->out[0]) + r * n, mean = 0, variance = 0;
        for (int64_t i = 0; i < n; i++) {
            y[i] = ppq_f64(c->in[0])[r * n + i] + ppq_f64(c->in[1])[(r * n + i) % n_skip] +
                   (bias ? bias[i] : 0);
            if (c->op->n_out > 3)
                ppq_f64(&c->out[3])[r * n + i] = y[i];
            mean += s->rms ? 0 : y[i] / (double) n;
        }
        for (int64_t i = 0; i < n; i++)
            variance += (y[i] - mean) * (y[i] - mean) / (double) n;
        const double inverse = 1 / sqrt(variance + epsilon);
        for (int64_t i = 0; i < n; i++)
            y[i] = (y[i] - mean) * inverse * scale[i] + (shift ? shift[i] : 0);
        if (c->op->n_out > 1)
            ppq_f64(&c->out[1])[r] = mean;
        if (c->op->n_out > 2)
            ppq_f64(&c->out[2])[r] = inverse;
    }
    return PPQ_OK;
}
