#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/move.h"

// Output = condition ? X : Y, all three broadcast together.

typedef struct wide {
    uint64_t lo, hi;
} wide;

#define SELECT_LOOP(x_i, y_i)         \
    for (int64_t i = 0; i < n; i++) { \
        const T xi = x_i, yi = y_i;   \
        d[i] = cond[i] ? xi : yi;     \
    }
#define SELECT(type)                                  \
    do {                                              \
        typedef type T;                               \
        const T *x = px, *y = py, x0 = *x, y0 = *y;   \
        T *d = pd;                                    \
        if (sc && sx && sy)                           \
            SELECT_LOOP(x[i], y[i])                   \
        else if (sc && sx)                            \
            SELECT_LOOP(x[i], y0)                     \
        else if (sc && sy)                            \
            SELECT_LOOP(x0, y[i])                     \
        else if (sc)                                  \
            SELECT_LOOP(x0, y0)                       \
        else /* the whole row from one side */        \
            for (int64_t i = 0; i < n; i++)           \
                d[i] = *cond ? x[i * sx] : y[i * sy]; \
    } while (0)

static void select_row(const uint8_t *cond, int64_t sc, const void *px, int64_t sx, const void *py,
                       int64_t sy, void *pd, int64_t n, size_t es)
{
    switch (es) {
    case 1:
        SELECT(uint8_t);
        break;
    case 2:
        SELECT(uint16_t);
        break;
    case 4:
        SELECT(uint32_t);
        break;
    case 8:
        SELECT(uint64_t);
        break;
    default:
        SELECT(wide);
        break;
    }
}

static void select_nd(const ppq_tensor *cond, const ppq_tensor *x, const ppq_tensor *y,
                      ppq_tensor *dst)
{
    const size_t es = ppq_dtype_size(dst->dtype);
    int64_t dim[PPQ_MAX_RANK], s[4][PPQ_MAX_RANK], at[PPQ_MAX_RANK] = { 0 }, pos[4] = { 0 };
    memcpy(dim, dst->shape.dim, sizeof(dim));
    ppq_broadcast_strides(&cond->shape, &dst->shape, s[0]);
    ppq_broadcast_strides(&x->shape, &dst->shape, s[1]);
    ppq_broadcast_strides(&y->shape, &dst->shape, s[2]);
    ppq_shape_strides(&dst->shape, s[3]);
    const int r =
        ppq_dims_collapse(dst->shape.rank, dim, (int64_t *const[]){ s[0], s[1], s[2], s[3] }, 4) -
        1;
    for (;;) {
        select_row(ppq_element(cond, pos[0]), s[0][r], ppq_element(x, pos[1]), s[1][r],
                   ppq_element(y, pos[2]), s[2][r], ppq_element(dst, pos[3]), dim[r], es);
        int i = r - 1;
        for (; i >= 0; i--) {
            const bool wraps = ++at[i] == dim[i];
            for (int k = 0; k < 4; k++)
                pos[k] += wraps ? -s[k][i] * (dim[i] - 1) : s[k][i];
            if (!wraps)
                break;
            at[i] = 0;
        }
        if (i < 0)
            return;
    }
}

static ppq_status run(ppq_kernel_ctx *c)
{
    if (ppq_shape_numel(&c->out[0].shape) > 0)
        select_nd(c->in[0], c->in[1], c->in[2], &c->out[0]);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    if (c->in[0]->dtype != PPQ_DT_BOOL)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "condition is %s, expected bool",
                               ppq_dtype_name(c->in[0]->dtype));
    if (c->in[1]->dtype != c->in[2]->dtype)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "X is %s and Y is %s",
                               ppq_dtype_name(c->in[1]->dtype), ppq_dtype_name(c->in[2]->dtype));
    return ppq_run_moved(c, 1, run);
}

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_broadcast(c));
    c->out_dtype[0] = c->in_dtype[1] != PPQ_DT_NONE ? c->in_dtype[1] : c->in_dtype[2];
    return PPQ_OK;
}

const ppq_op_def ppq_op_where = {
    .type = "Where",
    .domain = "",
    .opset_min = 9,
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_LAYOUT_FREE,
    .fp32_in = 0x1, // condition
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_moved,
};
