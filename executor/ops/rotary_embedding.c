#include <inttypes.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"
#include "executor/ops/real.h"

// Rotates pairs of elements of every head by angles that depend on the position: pairs are
// (i, i + half) or, interleaved, (2 i, 2 i + 1). X is (B, heads, S, size) or (B, S, heads * size).

typedef struct rotary {
    int64_t batch, heads, steps, size, rotated;
    int64_t stride_batch, stride_head, stride_step;
    bool interleaved;
} rotary;

static ppq_status plan(const ppq_args *a, rotary *r)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    const ppq_op *op = ppq_args_op(a);
    *r = (rotary){ .interleaved = ppq_op_attr_int(op, "interleaved", 0) != 0 };
    if (x->rank < 0)
        return PPQ_OK;
    if (x->rank != 3 && x->rank != 4)
        return ppq_args_fail(a, "the input has rank %d, expected 3 or 4", x->rank);
    if (!ppq_shape_known(x))
        return PPQ_OK;
    r->batch = x->dim[0];
    r->heads = x->rank == 4 ? x->dim[1] : ppq_op_attr_int(op, "num_heads", 0);
    r->steps = x->dim[x->rank - 2];
    if (x->rank == 3 && (r->heads < 1 || x->dim[2] % r->heads))
        return ppq_args_fail(a, "num_heads is %" PRId64 ", which does not divide %" PRId64,
                             r->heads, x->dim[2]);
    r->size = x->rank == 4 ? x->dim[3] : x->dim[2] / r->heads;
    r->rotated = ppq_op_attr_int(op, "rotary_embedding_dim", 0);
    if (r->rotated == 0)
        r->rotated = r->size;
    if (r->rotated < 0 || r->rotated > r->size || r->rotated % 2)
        return ppq_args_fail(a, "%" PRId64 " of %" PRId64 " elements cannot be rotated in pairs",
                             r->rotated, r->size);
    r->stride_step = x->rank == 4 ? r->size : r->heads * r->size;
    r->stride_head = x->rank == 4 ? r->steps * r->size : r->size;
    r->stride_batch = r->heads * r->steps * r->size;
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    rotary r;
    PPQ_TRY(ppq_infer_floats(c, 3, 3));
    PPQ_TRY(plan(&a, &r));
    return ppq_infer_out(c, 0, c->in_dtype[0], &c->in_shape[0]);
}

// The row of the angle tables for every (batch, step). Without positions, the tables are
// (B, S, half) already.
static ppq_status row_of(ppq_kernel_ctx *c, const rotary *r, int64_t b, int64_t s, int64_t *row)
{
    const ppq_tensor *ids = c->op->n_in > 3 ? c->in[3] : NULL;
    const int64_t half = r->rotated / 2;
    const int64_t rows = half ? ppq_shape_numel(&c->in[1]->shape) / half : 0;
    *row = b * r->steps + s;
    if (ids)
        ppq_load_i64(ids, *row, 1, row);
    if (*row < 0 || *row >= rows)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "position %" PRId64 " is outside [0, %" PRId64 ")",
                               *row, rows);
    return PPQ_OK;
}

static ppq_status check(ppq_kernel_ctx *c, const rotary *r)
{
    const ppq_tensor *ids = c->op->n_in > 3 ? c->in[3] : NULL;
    const ppq_shape *cosine = &c->in[1]->shape;
    const int64_t half = r->rotated / 2;
    if (cosine->rank < 1 || cosine->dim[cosine->rank - 1] != half ||
        !ppq_shape_equal(cosine, &c->in[2]->shape))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                               "the tables of angles must be alike, with rows of %" PRId64, half);
    if (ids && (ids->dtype != PPQ_DT_I64 || ppq_shape_numel(&ids->shape) != r->batch * r->steps))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "position_ids are not int64 per batch and step");
    return PPQ_OK;
}

static void rotate(const rotary *r, const float *x, const float *cosine, const float *sine,
                   float *y)
{
    const int64_t half = r->rotated / 2;
    for (int64_t i = 0; i < half; i++) {
        const int64_t p = r->interleaved ? 2 * i : i, q = r->interleaved ? 2 * i + 1 : i + half;
        const float u = x[p], v = x[q];
        y[p] = cosine[i] * u - sine[i] * v;
        y[q] = sine[i] * u + cosine[i] * v;
    }
    memcpy(y + r->rotated, x + r->rotated, (size_t) (r->size - r->rotated) * sizeof(*y));
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    rotary r;
    PPQ_TRY(plan(&a, &r));
    if (ppq_shape_numel(&c->in[0]->shape) == 0)
        return PPQ_OK;
    if (c->in[0]->dtype != PPQ_DT_F32)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "float64 is not supported");
    PPQ_TRY(check(c, &r));
    for (int64_t b = 0; b < r.batch; b++)
        for (int64_t s = 0; s < r.steps; s++) {
            int64_t row;
            PPQ_TRY(row_of(c, &r, b, s, &row));
            const float *cosine = ppq_f32(c->in[1]) + row * (r.rotated / 2);
            const float *sine = ppq_f32(c->in[2]) + row * (r.rotated / 2);
            for (int64_t h = 0; h < r.heads; h++) {
                const int64_t at = b * r.stride_batch + h * r.stride_head + s * r.stride_step;
                rotate(&r, ppq_f32(c->in[0]) + at, cosine, sine, ppq_f32(&c->out[0]) + at);
            }
        }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_rotary_embedding = {
    .type = "RotaryEmbedding",
    .domain = "",
    .opset_min = 23,
    .in_min = 3,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x8, // position_ids
    .infer = infer,
    .forward = forward,
};
