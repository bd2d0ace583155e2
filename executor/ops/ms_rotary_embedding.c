#include <inttypes.h>
#include <string.h>

#include "executor/ops/convert.h"
#include "executor/ops/heads.h"
#include "executor/ops/real.h"
#include "executor/ops/stored.h"

// Turns the vectors of each head by angles that depend on their position. Positions are given for
// each step, or as the first one.

enum { X, POSITIONS, COSINES, SINES };

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_shape *s = &c->in_shape[X];
    PPQ_TRY(ppq_infer_floats(c, 1, 1));
    if (s->rank >= 0 && s->rank != 3 && s->rank != 4)
        return ppq_infer_fail(c, "the input has rank %d, expected 3 or 4", s->rank);
    return ppq_infer_out(c, 0, c->in_dtype[X], s);
}

typedef struct rotary {
    int64_t batch, heads, steps, size, turned; // of a head's `size` elements the first are turned
    int64_t head_stride, step_stride;
} rotary;

static ppq_status plan(ppq_kernel_ctx *c, rotary *r)
{
    const ppq_shape *s = &c->in[X]->shape, *cosine = &c->in[COSINES]->shape;
    const int64_t heads = ppq_op_attr_int(c->op, "num_heads", 0);
    const bool packed = s->rank == 3;
    *r = (rotary){ .batch = s->dim[0], .steps = s->dim[packed ? 1 : 2] };
    const int64_t half = cosine->rank == 2 ? cosine->dim[1] : 0;
    const int64_t dim = ppq_op_attr_int(c->op, "rotary_embedding_dim", 0);
    r->heads = !packed ? s->dim[1] : heads > 0 ? heads : half ? s->dim[2] / (2 * half) : 0;
    r->size = !packed ? s->dim[3] : r->heads ? s->dim[2] / r->heads : 0;
    r->turned = dim > 0 ? dim : r->size;
    r->head_stride = packed ? r->size : r->steps * r->size;
    r->step_stride = packed ? s->dim[2] : r->size;
    if (ppq_op_attr_int(c->op, "is_packed_batching", 0))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "packed batching is not supported");
    if (r->heads < 1 || (packed && s->dim[2] % r->heads) || r->turned > r->size ||
        r->turned != 2 * half || !ppq_shape_equal(cosine, &c->in[SINES]->shape) ||
        c->in[COSINES]->dtype != c->in[X]->dtype || c->in[SINES]->dtype != c->in[X]->dtype ||
        c->in[X]->dtype != PPQ_DT_F32)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                               "cosines and sines do not fit heads of %" PRId64 " elements",
                               r->size);
    return PPQ_OK;
}

static ppq_status position(ppq_kernel_ctx *c, const rotary *r, int64_t b, int64_t t, int64_t *out)
{
    const ppq_tensor *p = c->in[POSITIONS];
    const int64_t n = ppq_shape_numel(&p->shape);
    if (p->dtype != PPQ_DT_I64 || (n != 1 && n != r->batch * r->steps))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                               "the positions are not int64, one or one per step");
    int64_t at = ppq_i64(p)[n == 1 && p->shape.rank < 2 ? 0 : b * r->steps + t];
    if (n == 1 && p->shape.rank < 2)
        at = ppq_dim_add(PPQ_MAX(at, -1), t);
    if (at < 0 || at >= c->in[COSINES]->shape.dim[0])
        return ppq_kernel_fail(c, PPQ_ERR_DATA,
                               "a position is %" PRId64 ", the legal range is [0, %" PRId64 ")", at,
                               c->in[COSINES]->shape.dim[0]);
    *out = at;
    return PPQ_OK;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    rotary r;
    PPQ_TRY(plan(c, &r));
    const bool interleaved = ppq_op_attr_int(c->op, "interleaved", 0) != 0;
    const size_t bytes = ppq_tensor_bytes(c->in[X]);
    if (bytes)
        memcpy(ppq_tensor_data(&c->out[0]), ppq_tensor_data(c->in[X]), bytes);
    for (int64_t b = 0; b < r.batch; b++)
        for (int64_t t = 0; t < r.steps; t++) {
            int64_t at = 0;
            PPQ_TRY(position(c, &r, b, t, &at));
            at *= r.turned / 2;
            for (int64_t h = 0; h < r.heads; h++)
                ppq_head_rotate(ppq_f32(&c->out[0]) + b * r.heads * r.steps * r.size +
                                    h * r.head_stride + t * r.step_stride,
                                r.turned, ppq_f32(c->in[COSINES]) + at, ppq_f32(c->in[SINES]) + at,
                                interleaved);
        }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_ms_rotary_embedding = MICROSOFT_DEF("RotaryEmbedding", 4, 4);
