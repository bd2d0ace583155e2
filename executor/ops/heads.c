#include "executor/ops/heads.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "executor/ops/convert.h"
#include "executor/ops/move.h"
#include "executor/ops/stored.h"
#include "executor/ops/types.h"

static ppq_status alloc(ppq_kernel_ctx *c, int64_t heads, int64_t rows, int64_t columns,
                        int64_t batch, ppq_tensor *out)
{
    const ppq_shape s = { 4, { batch, heads, rows, columns } };
    if (ppq_tensor_alloc_pool(out, PPQ_DT_F32, &s, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate its heads");
    memset(ppq_tensor_data(out), 0, ppq_tensor_bytes(out));
    return PPQ_OK;
}

ppq_status ppq_heads_open(ppq_kernel_ctx *c, ppq_heads *h)
{
    ppq_status st = alloc(c, h->heads, h->steps, h->size, h->batch, &h->q);
    if (st == PPQ_OK)
        st = alloc(c, h->kv_heads, h->total, h->size, h->batch, &h->k);
    if (st == PPQ_OK)
        st = alloc(c, h->kv_heads, h->total, h->v_size, h->batch, &h->v);
    if (st == PPQ_OK)
        st = alloc(c, h->heads, h->steps, h->total, h->batch, &h->mask);
    if (st != PPQ_OK)
        ppq_heads_close(h);
    return st;
}

void ppq_heads_close(ppq_heads *h)
{
    ppq_tensor_unref(&h->q);
    ppq_tensor_unref(&h->k);
    ppq_tensor_unref(&h->v);
    ppq_tensor_unref(&h->mask);
}

void ppq_heads_fill(ppq_tensor *dst, int64_t row, const ppq_tensor *src, int64_t column,
                    const ppq_tensor *bias, int64_t bias_at)
{
    const int64_t heads = dst->shape.dim[1], size = dst->shape.dim[3];
    const int64_t rows = src->shape.dim[1], columns = src->shape.dim[2];
    for (int64_t b = 0; b < dst->shape.dim[0]; b++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t h = 0; h < heads; h++) {
                const float *x = ppq_f32(src) + (b * rows + i) * columns + column + h * size;
                float *y = ppq_head_row(dst, b, h, row + i);
                for (int64_t e = 0; e < size; e++)
                    y[e] = x[e] + (bias ? ppq_f32(bias)[bias_at + h * size + e] : 0);
            }
}

void ppq_heads_fill_past(ppq_tensor *dst, const ppq_tensor *src, int64_t from, int64_t past)
{
    const int64_t heads = dst->shape.dim[1], size = dst->shape.dim[3];
    for (int64_t b = 0; b < dst->shape.dim[0] && past * size > 0; b++)
        for (int64_t h = 0; h < heads; h++)
            memcpy(ppq_head_row(dst, b, h, 0), ppq_f32(src) + from + (b * heads + h) * past * size,
                   (size_t) (past * size) * sizeof(float));
}

ppq_status ppq_heads_check_floats(const ppq_args *a, uint32_t others)
{
    const ppq_kernel_ctx *c = a->run;
    for (int i = 0; i < c->op->n_in; i++)
        if (c->in[i] && !(others >> i & 1) && c->in[i]->dtype != PPQ_DT_F32)
            return ppq_args_fail(a, "input %d is %s, expected float32", i,
                                 ppq_dtype_name(c->in[i]->dtype));
    return PPQ_OK;
}

// ---- what is added to the scores ------------------------------------------------------------

void ppq_heads_mask_causal(ppq_heads *h)
{
    for (int64_t b = 0; b < h->batch; b++)
        for (int64_t n = 0; n < h->heads; n++)
            for (int64_t i = 0; i < h->steps; i++)
                for (int64_t j = h->past + i + 1; j < h->total; j++)
                    ppq_head_row(&h->mask, b, n, i)[j] = -INFINITY;
}

typedef enum form { LENGTHS, RANGES, KEYS, STEPS, SQUARE } form;

static bool form_of(const ppq_heads *h, const ppq_shape *s, form *out)
{
    const bool whole = s->rank == 4 && s->dim[1] == 1 && s->dim[2] >= h->total &&
                       s->dim[3] >= h->total && s->dim[0] == h->batch;
    const bool batched = s->rank >= 1 && s->dim[0] == h->batch;
    *out = s->rank == 4 ? SQUARE : s->rank == 3 ? STEPS : s->rank == 2 ? KEYS : LENGTHS;
    if (s->rank == 1 && s->dim[0] == 2 * h->batch && h->batch) {
        *out = RANGES;
        return true;
    }
    switch (*out) {
    case LENGTHS:
        return batched;
    case KEYS:
        return batched && s->dim[1] == h->total;
    case STEPS:
        return batched && s->dim[1] == h->steps && s->dim[2] == h->total;
    case RANGES:
    case SQUARE:
        break;
    }
    return whole;
}

static bool key_counts(const ppq_heads *h, form f, const ppq_tensor *m, int64_t b, int64_t i,
                       int64_t j)
{
    int64_t v = 0, start = 0;
    switch (f) {
    case LENGTHS:
    case RANGES:
        ppq_load_i64(m, b, 1, &v);
        if (f == RANGES)
            ppq_load_i64(m, h->batch + b, 1, &start);
        return j >= start && j < v;
    case KEYS:
        ppq_load_i64(m, b * h->total + j, 1, &v);
        break;
    case STEPS:
        ppq_load_i64(m, (b * h->steps + i) * h->total + j, 1, &v);
        break;
    case SQUARE: {
        const int64_t rows = m->shape.dim[2], columns = m->shape.dim[3];
        ppq_load_i64(m, (b * rows + h->past + i) * columns + j, 1, &v);
        break;
    }
    }
    return v > 0;
}

ppq_status ppq_heads_mask_keys(ppq_kernel_ctx *c, ppq_heads *h, int slot)
{
    const ppq_args a = ppq_args_run(c);
    if (!ppq_args_has(&a, slot))
        return PPQ_OK;
    const ppq_tensor *m = c->in[slot];
    form f;
    char text[192];
    if (!form_of(h, &m->shape, &f) || (!ppq_dtype_is_integer(m->dtype) && m->dtype != PPQ_DT_BOOL))
        return ppq_args_fail(&a,
                             "the mask is %s %s, which does not fit %" PRId64 " x %" PRId64
                             " scores in %" PRId64 " batches",
                             ppq_dtype_name(m->dtype), ppq_shape_str(&m->shape, text, sizeof(text)),
                             h->steps, h->total, h->batch);
    const float filter = ppq_op_attr_float(c->op, "mask_filter_value", -10000);
    for (int64_t b = 0; b < h->batch; b++)
        for (int64_t i = 0; i < h->steps; i++)
            for (int64_t j = 0; j < h->total; j++)
                for (int64_t n = 0; n < h->heads && !key_counts(h, f, m, b, i, j); n++)
                    ppq_head_row(&h->mask, b, n, i)[j] += filter;
    return PPQ_OK;
}

ppq_status ppq_heads_add_bias(ppq_kernel_ctx *c, ppq_heads *h, int slot)
{
    const ppq_args a = ppq_args_run(c);
    if (!ppq_args_has(&a, slot))
        return PPQ_OK;
    const ppq_tensor *bias = c->in[slot];
    ppq_shape all = h->mask.shape;
    int64_t stride[4];
    if (bias->dtype != PPQ_DT_F32 || bias->shape.rank > 4 ||
        !ppq_shape_broadcast(&all, &bias->shape) || !ppq_shape_equal(&all, &h->mask.shape))
        return ppq_args_fail(&a, "input %d cannot be added to the scores", slot);
    ppq_broadcast_strides(&bias->shape, &all, stride);
    for (int64_t b = 0; b < h->batch; b++)
        for (int64_t n = 0; n < h->heads; n++)
            for (int64_t i = 0; i < h->steps; i++)
                for (int64_t j = 0; j < h->total; j++)
                    ppq_head_row(&h->mask, b, n, i)[j] += ppq_f32(
                        bias)[b * stride[0] + n * stride[1] + i * stride[2] + j * stride[3]];
    return PPQ_OK;
}

// ---- running --------------------------------------------------------------------------------

ppq_status ppq_heads_run(ppq_kernel_ctx *c, const ppq_heads *h)
{
    const ppq_tensor in[] = { h->q, h->k, h->v, h->mask };
    const ppq_attr *scale = ppq_op_attr(c->op, "scale");
    const bool natural = scale && scale->kind == PPQ_ATTR_FLOAT && scale->u.f == 0;
    ppq_tensor y = { 0 };
    if (natural && ppq_op_attr_float(c->op, "softcap", 0) != 0)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "scale is 0 although it is given");
    PPQ_TRY(natural ? ppq_inner_eval_bare(c, "Attention", in, 4, &y)
                    : ppq_inner_eval(c, "Attention", in, 4, &y));
    const int64_t columns = h->heads * h->v_size;
    const int64_t dim[] = { h->batch, h->steps, h->heads, h->v_size };
    const int64_t stride[] = { h->steps * columns, h->v_size, h->steps * h->v_size, 1 };
    const ppq_shape s = { 3, { h->batch, h->steps, columns } };
    const ppq_status st = ppq_run_out(c, 0, PPQ_DT_F32, &s);
    if (st == PPQ_OK && ppq_shape_numel(&s))
        ppq_copy_dense(ppq_tensor_data(&c->out[0]), ppq_tensor_data(&y), stride, dim, 4,
                       sizeof(float));
    ppq_tensor_unref(&y);
    return st;
}

static void store(ppq_kernel_ctx *c, int slot, const ppq_tensor *t)
{
    if (slot < c->op->n_out && ppq_tensor_bytes(t))
        memcpy(ppq_f32(&c->out[slot]), ppq_f32(t), ppq_tensor_bytes(t));
}

ppq_status ppq_heads_finish(ppq_kernel_ctx *c, ppq_heads *h, int bias)
{
    PPQ_TRY(ppq_heads_add_bias(c, h, bias));
    PPQ_TRY(ppq_heads_run(c, h));
    store(c, 1, &h->k);
    store(c, 2, &h->v);
    return PPQ_OK;
}

void ppq_head_rotate(float *x, int64_t n, const float *cosine, const float *sine, bool interleaved)
{
    const int64_t half = n / 2;
    for (int64_t i = 0; i < half; i++) {
        float *a = interleaved ? &x[2 * i] : &x[i], *b = interleaved ? a + 1 : a + half;
        const float u = *a, v = *b;
        *a = u * cosine[i] - v * sine[i];
        *b = u * sine[i] + v * cosine[i];
    }
}
