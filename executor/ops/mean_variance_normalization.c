#include <math.h>

#include "executor/ops/norm.h"
#include "executor/ops/window.h"

// Y = (X - mean) / (sqrt(var) + 1e-9) over the listed axes, all but the channels by default.

static const int64_t default_axes[] = { 0, 2, 3 };

// Which dimensions are averaged over; false with a reason when the axes do not fit.
static bool read_axes(const ppq_op *op, int rank, bool *over, ppq_reason *why)
{
    const int64_t *axes;
    size_t n = ppq_op_attr_ints(op, "axes", &axes);
    if (!ppq_op_attr(op, "axes")) {
        axes = default_axes;
        n = PPQ_COUNT(default_axes);
    }
    for (int i = 0; i < rank; i++)
        over[i] = false;
    for (size_t i = 0; i < n; i++) {
        int d;
        if (!ppq_axis_normalize(axes[i], rank, &d))
            return ppq_because(why, "axes[%zu] is %lld, expected %d to %d", i, (long long) axes[i],
                               -rank, rank - 1);
        over[d] = true;
    }
    return true;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 1, 1));
    bool over[PPQ_MAX_RANK];
    ppq_reason why;
    if (c->in_shape[0].rank >= 0 && !read_axes(c->op, c->in_shape[0].rank, over, &why))
        return ppq_infer_fail(c, "%s", why.text);
    return ppq_infer_same(c);
}

// Calls `visit` for every element with the index of the statistics it belongs to.
typedef struct walk {
    const ppq_real *r;
    const void *x;
    void *y;
    double *mean, *variance, count;
} walk;

static void walk_all(const ppq_shape *s, const int64_t *step, walk *w,
                     void (*visit)(walk *w, int64_t i, int64_t group))
{
    int64_t at[PPQ_MAX_RANK] = { 0 }, i = 0;
    do {
        int64_t group = 0;
        for (int d = 0; d < s->rank; d++)
            group += at[d] * step[d];
        visit(w, i++, group);
    } while (ppq_next(s->rank, s->dim, at));
}

static void add_mean(walk *w, int64_t i, int64_t g)
{
    w->mean[g] += w->r->load(w->x, i) / w->count;
}

static void add_variance(walk *w, int64_t i, int64_t g)
{
    const double d = w->r->load(w->x, i) - w->mean[g];
    w->variance[g] += d * d / w->count;
}

static void write_out(walk *w, int64_t i, int64_t g)
{
    w->r->store(w->y, i, (w->r->load(w->x, i) - w->mean[g]) / (sqrt(w->variance[g]) + 1e-9));
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_shape *s = &c->in[0]->shape;
    walk w = { .r = ppq_real_of(c) };
    if (!w.r)
        return PPQ_ERR_UNSUPPORTED;
    bool over[PPQ_MAX_RANK];
    ppq_reason why;
    if (!read_axes(c->op, s->rank, over, &why))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "%s", why.text);
    if (ppq_shape_numel(s) == 0)
        return PPQ_OK;
    int64_t step[PPQ_MAX_RANK], groups = 1;
    for (int d = s->rank - 1; d >= 0; d--) {
        step[d] = over[d] ? 0 : groups;
        groups *= over[d] ? 1 : s->dim[d];
    }
    ppq_tensor sums;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) groups * 2 * sizeof(double), &sums));
    w.x = ppq_tensor_data(c->in[0]);
    w.y = ppq_tensor_data(&c->out[0]);
    w.mean = ppq_tensor_data(&sums);
    w.variance = w.mean + groups;
    w.count = (double) (ppq_shape_numel(s) / groups);
    for (int64_t i = 0; i < 2 * groups; i++)
        w.mean[i] = 0;
    walk_all(s, step, &w, add_mean);
    walk_all(s, step, &w, add_variance);
    walk_all(s, step, &w, write_out);
    ppq_tensor_unref(&sums);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_mean_variance_normalization = {
    .type = "MeanVarianceNormalization",
    .domain = "",
    .opset_min = 9,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
