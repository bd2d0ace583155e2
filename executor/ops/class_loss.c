#include "executor/ops/class_loss.h"

#include <inttypes.h>
#include <math.h>

#include "executor/ops/convert.h"
#include "executor/ops/doubled.h"
#include "executor/ops/norm.h"
#include "executor/ops/real.h"

static const char *const reductions[] = { "mean", "none", "sum", NULL };
enum { MEAN, NONE, SUM };

// Inputs are (N, C, ...) and (N, ...).
static ppq_status plan(const ppq_args *a, int *reduction, ppq_shape *loss)
{
    const ppq_shape *x = ppq_args_shape(a, 0), *t = ppq_args_shape(a, 1), *w = ppq_args_shape(a, 2);
    int64_t classes = PPQ_DIM_UNKNOWN;
    PPQ_TRY(ppq_args_choice(a, "reduction", reductions, reduction));
    *loss = *t;
    bool fits = x->rank < 0 || x->rank >= 2;
    if (fits && x->rank >= 2) {
        classes = x->dim[1];
        fits = t->rank < 0 || t->rank == x->rank - 1;
        loss->rank = x->rank - 1;
        for (int i = 0; fits && i < loss->rank; i++)
            fits = ppq_dim_merge(t->rank < 0 ? PPQ_DIM_UNKNOWN : t->dim[i], x->dim[i + (i > 0)],
                                 &loss->dim[i]);
    }
    if (fits && w->rank >= 0)
        fits = w->rank == 1 && ppq_dim_merge(w->dim[0], classes, &classes);
    if (!fits)
        return ppq_args_fail(a, "the inputs must be (N, C, ...), (N, ...) and (C)");
    if (*reduction != NONE)
        *loss = (ppq_shape){ .rank = 0 };
    return PPQ_OK;
}

ppq_status ppq_infer_class_loss(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape loss;
    int reduction;
    PPQ_TRY(ppq_infer_floats(c, 2, 1));
    PPQ_TRY(plan(&a, &reduction, &loss));
    PPQ_TRY(ppq_infer_out(c, 0, c->in_dtype[0], &loss));
    return ppq_infer_out(c, 1, c->in_dtype[0], &c->in_shape[0]);
}

// What one target adds to the loss, and its weight: 0 when it is ignored.
static ppq_status term(ppq_kernel_ctx *c, const double *log_prob, const ppq_axis_split *s,
                       int64_t i, double *weight, double *loss)
{
    const bool some = ppq_op_attr(c->op, "ignore_index") != NULL;
    int64_t target;
    ppq_load_i64(c->in[1], i, 1, &target);
    *weight = *loss = 0;
    if (some && target == ppq_op_attr_int(c->op, "ignore_index", 0))
        return PPQ_OK;
    if (target < 0 || target >= s->size)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "class %" PRId64 " is outside [0, %" PRId64 ")",
                               target, s->size);
    const ppq_tensor *w = c->op->n_in > 2 ? c->in[2] : NULL;
    *weight = w ? ppq_f64(w)[target] : 1;
    *loss = -*weight * log_prob[(i / s->inner * s->size + target) * s->inner + i % s->inner];
    return PPQ_OK;
}

static ppq_status add_terms(ppq_kernel_ctx *c, const double *log_prob)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_axis_split s = ppq_split_at(&c->in[0]->shape, 1);
    double *y = ppq_f64(&c->out[0]), sum = 0, weights = 0;
    ppq_shape shape;
    int reduction;
    PPQ_TRY(plan(&a, &reduction, &shape));
    for (int64_t i = 0; i < s.outer * s.inner; i++) {
        double weight, loss;
        PPQ_TRY(term(c, log_prob, &s, i, &weight, &loss));
        if (reduction == NONE)
            y[i] = loss;
        sum += loss;
        weights += weight;
    }
    if (reduction != NONE)
        y[0] = reduction == MEAN ? sum / weights : sum;
    return PPQ_OK;
}

static ppq_status run_logs(ppq_kernel_ctx *c)
{
    return add_terms(c, ppq_f64(c->in[0]));
}

static ppq_status run_scores(ppq_kernel_ctx *c)
{
    const ppq_real *r = ppq_real_of(c);
    const ppq_tensor *x = c->in[0];
    const ppq_axis_split s = ppq_split_at(&x->shape, 1);
    ppq_tensor memory;
    PPQ_TRY(ppq_kernel_temp(c, ppq_tensor_bytes(x), &memory));
    double *log_prob = ppq_tensor_data(&memory);
    for (int64_t i = 0; s.size > 0 && i < s.outer * s.inner; i++) {
        const int64_t at = i / s.inner * s.size * s.inner + i % s.inner;
        r->log_softmax(log_prob + at, ppq_f64(x) + at, s.size, s.inner);
    }
    for (int64_t i = 0; c->op->n_out > 1 && i < ppq_shape_numel(&x->shape); i++)
        ppq_f64(&c->out[1])[i] = log_prob[i];
    const ppq_status st = add_terms(c, log_prob);
    ppq_tensor_unref(&memory);
    return st;
}

ppq_status ppq_run_class_loss(ppq_kernel_ctx *c, bool scores)
{
    const ppq_tensor *t = c->in[1], *w = c->op->n_in > 2 ? c->in[2] : NULL;
    if (t->dtype != PPQ_DT_I64 && t->dtype != PPQ_DT_I32)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the target is %s, expected int32 or int64",
                               ppq_dtype_name(t->dtype));
    if (w && !ppq_dtype_is_float(w->dtype))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the weight is %s, expected a float type",
                               ppq_dtype_name(w->dtype));
    return ppq_run_doubled(c, scores ? run_scores : run_logs);
}
