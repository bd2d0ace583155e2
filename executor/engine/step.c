#include "executor/engine/step.h"

#include <stdlib.h>
#include <string.h>

#include "executor/engine/kernels/quantize.h"
#include "executor/engine/kernels/transpose.h"

// ---- bytes to bytes -------------------------------------------------------------------------

static ppq_status run_copy(const ppq_step *s, ppq_call *c)
{
    const ppq_tensor *x = ppq_call_tensor(c, s->in[0]);
    memcpy(ppq_call_data(c, s->out[0]), ppq_tensor_data(x), ppq_tensor_bytes(x));
    return PPQ_OK;
}

ppq_status ppq_step_copy(ppq_plan *p, const ppq_op *op, int32_t in, int32_t *out)
{
    const ppq_value *v = ppq_plan_value(p, in);
    *out = ppq_plan_new_value(p, NULL, v->dtype, &v->shape, v->layout);
    ppq_plan_value(p, *out)->flipped = v->flipped;
    ppq_plan_add_step(p, op, "copy", run_copy, &in, 1, out, 1);
    return PPQ_OK;
}

ppq_status ppq_step_settle(ppq_plan *p, int32_t in, ppq_dtype dt, const ppq_shape *s, int32_t *out)
{
    *out = ppq_plan_new_value(p, NULL, dt, s, PPQ_LAYOUT_PLAIN);
    ppq_plan_add_step(p, ppq_plan_value(p, in)->var->producer.op, "copy", run_copy, &in, 1, out, 1);
    return PPQ_OK;
}

static ppq_status run_flip(const ppq_step *s, ppq_call *c)
{
    const ppq_tensor *x = ppq_call_tensor(c, s->in[0]);
    const unsigned char *from = ppq_tensor_data(x);
    unsigned char *to = ppq_call_data(c, s->out[0]);
    for (size_t i = 0, n = ppq_tensor_bytes(x); i < n; i++)
        to[i] = from[i] ^ 0x80;
    return PPQ_OK;
}

static const ppq_op *origin(const ppq_plan *p, int32_t value)
{
    const ppq_value *v = ppq_plan_value(p, value);
    if (v->var && v->var->producer.op)
        return v->var->producer.op;
    if (v->var && v->var->n_uses)
        return v->var->uses[0].op;
    return p->order[0];
}

ppq_status ppq_step_flip(ppq_plan *p, int32_t in, int32_t *out)
{
    const ppq_value *v = ppq_plan_value(p, in);
    *out = ppq_plan_new_value(p, NULL, v->dtype == PPQ_DT_U8 ? PPQ_DT_I8 : PPQ_DT_U8, &v->shape,
                              v->layout);
    ppq_plan_value(p, *out)->flipped = ppq_plan_value(p, *out)->dtype == PPQ_DT_U8;
    ppq_plan_add_step(p, origin(p, in), "flip", run_flip, &in, 1, out, 1);
    return PPQ_OK;
}

// ---- layouts --------------------------------------------------------------------------------

// The two dimensions that trade places, `batch` times.
typedef struct exchange {
    int64_t batch, rows, cols; // [rows][cols] becomes [cols][rows]
    size_t size;
    ppq_isa isa;
    const unsigned char *src;
    unsigned char *dst;
} exchange;

// For the sizes that the kernels do not know.
static void exchange_wide(const exchange *e, const unsigned char *src, unsigned char *dst,
                          int64_t begin, int64_t end)
{
    for (int64_t c = begin; c < end; c++)
        for (int64_t r = 0; r < e->rows; r++)
            memcpy(dst + (size_t) (c * e->rows + r) * e->size,
                   src + (size_t) (r * e->cols + c) * e->size, e->size);
}

static void exchange_cols(void *user, int64_t begin, int64_t end)
{
    const exchange *e = user;
    const size_t step = (size_t) (e->rows * e->cols) * e->size;
    const size_t from = (size_t) begin * e->size, to = from * (size_t) e->rows;
    for (int64_t b = 0; b < e->batch; b++) {
        const unsigned char *src = e->src + (size_t) b * step;
        unsigned char *dst = e->dst + (size_t) b * step;
        if (e->size == 1)
            ppq_transpose_8(e->isa, src + from, e->cols, dst + to, e->rows, e->rows, end - begin);
        else if (e->size == 4)
            ppq_transpose_32(e->isa, src + from, e->cols, dst + to, e->rows, e->rows, end - begin);
        else
            exchange_wide(e, src, dst, begin, end);
    }
}

static ppq_status run_relayout(const ppq_step *s, ppq_call *c)
{
    const ppq_tensor *x = ppq_call_tensor(c, s->in[0]);
    const ppq_shape *d = &x->shape;
    const bool to_last = ppq_call_tensor(c, s->out[0])->layout == PPQ_LAYOUT_CHANNELS_LAST;
    const int64_t pixels = ppq_shape_numel(d) / (d->dim[0] * d->dim[1]);
    exchange e = { .batch = d->dim[0],
                   .rows = to_last ? d->dim[1] : pixels,
                   .cols = to_last ? pixels : d->dim[1],
                   .size = ppq_dtype_size(x->dtype),
                   .isa = ppq_call_isa(c),
                   .src = ppq_tensor_data(x),
                   .dst = ppq_call_data(c, s->out[0]) };
    ppq_call_split(c, e.cols, exchange_cols, &e);
    return PPQ_OK;
}

ppq_status ppq_step_relayout(ppq_plan *p, int32_t in, ppq_layout layout, int32_t *out)
{
    const ppq_value *v = ppq_plan_value(p, in);
    const int64_t n = ppq_shape_numel(&v->shape), c = v->shape.dim[1];
    // One channel, or one pixel: the bytes are the same.
    if (n == 0 || c == 1 || n == v->shape.dim[0] * c) {
        *out = ppq_plan_new_alias(p, NULL, v->dtype, &v->shape, layout, in);
        return PPQ_OK;
    }
    if (ppq_dtype_size(v->dtype) == 0 || ppq_dtype_size(v->dtype) > 8)
        return PPQ_ERR_UNSUPPORTED;
    *out = ppq_plan_new_value(p, NULL, v->dtype, &v->shape, layout);
    ppq_plan_value(p, *out)->flipped = ppq_plan_value(p, in)->flipped;
    ppq_plan_add_step(p, origin(p, in), "reorder", run_relayout, &in, 1, out, 1);
    return PPQ_OK;
}

// ---- grids ----------------------------------------------------------------------------------

typedef struct grid_state {
    ppq_q8 q;
    ppq_isa isa;
} grid_state;

static grid_state *grid_state_of(ppq_plan *p, const ppq_grid *g)
{
    grid_state *s = ppq_new(p->arena, grid_state);
    *s = (grid_state){ ppq_q8_u8(g->scale, g->zero), ppq_plan_isa(p) };
    return s;
}

static void quantize_part(const ppq_rows *x, int64_t begin, int64_t end)
{
    const grid_state *g = x->state;
    ppq_q8_quantize(g->isa, &g->q, (const float *) (const void *) x->src + begin, x->dst + begin,
                    end - begin);
}

static void dequantize_part(const ppq_rows *x, int64_t begin, int64_t end)
{
    const grid_state *g = x->state;
    ppq_q8_dequantize(g->isa, &g->q, x->src + begin, (float *) (void *) x->dst + begin,
                      end - begin);
}

static ppq_status run_quantize(const ppq_step *s, ppq_call *c)
{
    const ppq_shape *x = &ppq_call_tensor(c, s->in[0])->shape;
    return ppq_call_rows(c, s, ppq_shape_numel(x), quantize_part);
}

static ppq_status run_dequantize(const ppq_step *s, ppq_call *c)
{
    const ppq_shape *x = &ppq_call_tensor(c, s->in[0])->shape;
    return ppq_call_rows(c, s, ppq_shape_numel(x), dequantize_part);
}

ppq_status ppq_step_quantize(ppq_plan *p, const ppq_op *op, int32_t in, const ppq_grid *g,
                             ppq_layout layout, int32_t *out)
{
    const ppq_value *v = ppq_plan_value(p, in);
    if (v->dtype != PPQ_DT_F32)
        return PPQ_ERR_UNSUPPORTED;
    *out = ppq_plan_new_value(p, NULL, PPQ_DT_U8, &v->shape, v->layout);
    ppq_step *s = ppq_plan_add_step(p, op, "quantize", run_quantize, &in, 1, out, 1);
    s->state = grid_state_of(p, g);
    // Bytes are cheaper to reorder than floats.
    if (v->shape.rank >= 3 && v->layout != layout)
        return ppq_step_relayout(p, *out, layout, out);
    return PPQ_OK;
}

ppq_status ppq_step_dequantize(ppq_plan *p, const ppq_op *op, int32_t in, const ppq_grid *g,
                               int32_t *out)
{
    const ppq_value *v = ppq_plan_value(p, in);
    if (v->dtype != PPQ_DT_U8)
        return PPQ_ERR_UNSUPPORTED;
    *out = ppq_plan_new_value(p, NULL, PPQ_DT_F32, &v->shape, v->layout);
    ppq_step *s = ppq_plan_add_step(p, op, "dequantize", run_dequantize, &in, 1, out, 1);
    s->state = grid_state_of(p, g);
    return PPQ_OK;
}
