#include <float.h>

#include "executor/ops/pool.h"
#include "executor/ops/real.h"

// Y = the largest element of each window, Indices = where it was: the first one of equals, as an
// offset into the whole input. NaN never wins. A window without input gives the lowest value and
// index -1.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_present(c, 1));
    const ppq_dtype dt = c->in_dtype[0];
    if (dt != PPQ_DT_NONE && dt != PPQ_DT_I8 && dt != PPQ_DT_U8)
        PPQ_TRY(ppq_infer_floats(c, 1, 1));
    PPQ_TRY(ppq_pool_infer(c));
    if (c->op->n_out > 1) {
        c->out_shape[1] = c->out_shape[0];
        c->out_dtype[1] = PPQ_DT_I64;
    }
    return PPQ_OK;
}

typedef struct max_user {
    int64_t *indices; // NULL: not wanted
    bool column_major;
    int n;
    const int64_t *dim; // spatial, of the input
} max_user;

// Row-major offset in a plane -> what Indices wants.
static int64_t index_of(const max_user *u, int64_t plane, int64_t offset)
{
    if (offset < 0)
        return -1;
    const int64_t size = ppq_product(u->n, u->dim);
    if (!u->column_major)
        return plane * size + offset;
    int64_t index = 0, step = size;
    for (int i = u->n - 1; i >= 0; i--) {
        step /= u->dim[i];
        index += offset % u->dim[i] * step;
        offset /= u->dim[i];
    }
    return plane * size + index;
}

// Row-major offset of the largest element, which becomes *best; -1 when there is none.
#define DEFINE_MAX(T, name, lowest)                                                               \
    static int64_t find_##name(const ppq_pool_view *v, const T *x, T *best)                       \
    {                                                                                             \
        int64_t where = -1;                                                                       \
        *best = (lowest);                                                                         \
        for (int64_t r = 0; r < v->n_rows; r++) {                                                 \
            int64_t at = v->rows[r].src + v->first;                                               \
            for (int64_t k = 0; k < v->n_cols; k++, at += v->step) {                              \
                const T e = x[at];                                                                \
                if (e > *best || where < 0) {                                                     \
                    *best = e > *best ? e : *best;                                                \
                    where = at;                                                                   \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
        return where;                                                                             \
    }                                                                                             \
    static void name(const ppq_pool_view *v, const void *x, void *y, int64_t i, const void *user) \
    {                                                                                             \
        const max_user *u = user;                                                                 \
        const int64_t where = find_##name(v, x, (T *) y + i);                                     \
        if (u->indices)                                                                           \
            u->indices[i] = index_of(u, v->plane, where);                                         \
    }

DEFINE_MAX(float, max_f32, -FLT_MAX)
DEFINE_MAX(double, max_f64, -DBL_MAX)
DEFINE_MAX(int8_t, max_i8, INT8_MIN)
DEFINE_MAX(uint8_t, max_u8, 0)

static ppq_pool_fn max_of(ppq_dtype dt)
{
    switch ((int) dt) {
    case PPQ_DT_F32:
        return max_f32;
    case PPQ_DT_F64:
        return max_f64;
    case PPQ_DT_I8:
        return max_i8;
    case PPQ_DT_U8:
        return max_u8;
    default:
        return NULL;
    }
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_pool_fn fn = max_of(c->in[0]->dtype);
    if (!fn)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED,
                               "input is %s, expected a float, int8 or uint8",
                               ppq_dtype_name(c->in[0]->dtype));
    const max_user u = { .indices = c->op->n_out > 1 ? ppq_i64(&c->out[1]) : NULL,
                         .column_major = ppq_op_attr_int(c->op, "storage_order", 0) != 0,
                         .n = c->in[0]->shape.rank - 2,
                         .dim = c->in[0]->shape.dim + 2 };
    return ppq_pool_run(c, fn, &u);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

static void spread(const ppq_pool_view *v, const float *x, float *dx, float g, const void *user)
{
    (void) user;
    float best;
    const int64_t where = find_max_f32(v, x, &best);
    if (where >= 0)
        dx[where] += g;
}

static ppq_status backward(ppq_backward_ctx *c)
{
    return ppq_pool_backward(c, spread, NULL);
}

const ppq_op_def ppq_op_max_pool = {
    .type = "MaxPool",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 2,
    .traits = PPQ_OP_PASSIVE,
    .fp32_out = 1u << 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
