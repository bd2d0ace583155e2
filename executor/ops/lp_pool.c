#include <math.h>

#include "executor/ops/pool.h"
#include "executor/ops/real.h"

// Y = the p-norm of each window.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 1, 1));
    const int64_t p = ppq_op_attr_int(c->op, "p", 2);
    if (p < 1)
        return ppq_infer_fail(c, "p is %lld, expected 1 or more", (long long) p);
    return ppq_pool_infer(c);
}

typedef struct norm_user {
    const ppq_real *real;
    double p;
} norm_user;

static void norm(const ppq_pool_view *v, const void *x, void *y, int64_t i, const void *user)
{
    const norm_user *u = user;
    double sum = 0;
    for (int64_t r = 0; r < v->n_rows; r++) {
        const char *row = (const char *) x + (size_t) (v->rows[r].src + v->first) * u->real->size;
        sum += u->real->sum_pow(row, v->n_cols, v->step, u->p);
    }
    u->real->store(y, i, pow(sum, 1 / u->p));
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const norm_user u = { .real = ppq_real_of(c), .p = (double) ppq_op_attr_int(c->op, "p", 2) };
    return u.real ? ppq_pool_run(c, norm, &u) : PPQ_ERR_UNSUPPORTED;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_lp_pool = {
    .type = "LpPool",
    .domain = "",
    .opset_min = 2,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
