#include "executor/ops/pool.h"
#include "executor/ops/real.h"

// Y = the mean of each window; with count_include_pad the padding counts as zeros.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 1, 1));
    return ppq_pool_infer(c);
}

typedef struct mean_user {
    const ppq_real *real;
    bool include_pad;
} mean_user;

static double divisor(const ppq_pool_view *v, bool include_pad)
{
    return include_pad ? v->n_padded : (double) (v->n_rows * v->n_cols);
}

static bool includes_pad(const ppq_op *op)
{
    return ppq_op_attr_int(op, "count_include_pad", 0) != 0;
}

static void mean(const ppq_pool_view *v, const void *x, void *y, int64_t i, const void *user)
{
    const mean_user *u = user;
    double sum = 0;
    for (int64_t r = 0; r < v->n_rows; r++) {
        const char *row = (const char *) x + (size_t) (v->rows[r].src + v->first) * u->real->size;
        sum += u->real->sum(row, v->n_cols, v->step);
    }
    const double n = divisor(v, u->include_pad);
    u->real->store(y, i, n > 0 ? sum / n : 0);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const mean_user u = { .real = ppq_real_of(c), .include_pad = includes_pad(c->op) };
    return u.real ? ppq_pool_run(c, mean, &u) : PPQ_ERR_UNSUPPORTED;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

static void spread(const ppq_pool_view *v, const float *x, float *dx, float g, const void *user)
{
    (void) x;
    const double n = divisor(v, *(const bool *) user);
    const float share = n > 0 ? (float) ((double) g / n) : 0;
    for (int64_t r = 0; r < v->n_rows; r++) {
        float *at = dx + v->rows[r].src + v->first;
        for (int64_t k = 0; k < v->n_cols; k++)
            at[k * v->step] += share;
    }
}

static ppq_status backward(ppq_backward_ctx *c)
{
    const bool include_pad = includes_pad(c->op);
    return ppq_pool_backward(c, spread, &include_pad);
}

const ppq_op_def ppq_op_average_pool = {
    .type = "AveragePool",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_POOL,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
