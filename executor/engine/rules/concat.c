#include "executor/engine/kernels/requantize.h"
#include "executor/engine/quant_view.h"

// Concat on integers: every operand is brought to the grid of the result while it is copied.

typedef struct piece {
    ppq_q8_requantize q;
    int64_t at, cols; // bytes within a row of the result
} piece;

typedef struct state {
    ppq_isa isa;
    int64_t rows, cols;
    piece *pieces; // [n_in]
} state;

typedef struct copy {
    const state *s;
    const piece *piece;
    const unsigned char *src;
    unsigned char *dst;
} copy;

static void copy_rows(void *user, int64_t begin, int64_t end)
{
    const copy *c = user;
    const int64_t n = c->piece->cols;
    ppq_q8_requantize_run(c->s->isa, &c->piece->q, c->src + begin * n, n,
                          c->dst + begin * c->s->cols + c->piece->at, c->s->cols, end - begin, n);
}

static ppq_status run(const ppq_step *s, ppq_call *c)
{
    const state *t = s->state;
    for (int i = 0; i < s->n_in; i++) {
        copy x = { t, &t->pieces[i], ppq_call_data(c, s->in[i]), ppq_call_data(c, s->out[0]) };
        ppq_call_split(c, t->rows, copy_rows, &x);
    }
    return PPQ_OK;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    const size_t n = (size_t) op->n_in;
    const ppq_shape *y = &p->shape[op->out[0]->id];
    ppq_grid out, *in = ppq_new_n(p->arena, ppq_grid, n);
    const ppq_op *q = ppq_only_quantizer(p, op->out[0], &out);
    int axis;
    if (!q || !ppq_axis_normalize(ppq_op_attr_int(op, "axis", 0), y->rank, &axis) ||
        ppq_shape_numel(y) == 0)
        return PPQ_ERR_UNSUPPORTED;
    bool last = false;
    for (size_t i = 0; i < n; i++) {
        if (!ppq_grid_of_input(op->in[i], &in[i]))
            return PPQ_ERR_UNSUPPORTED;
        last |= ppq_plan_layout(p, in[i].q) == PPQ_LAYOUT_CHANNELS_LAST;
    }
    // Along other axes than channels, rows of the result are rows of the operands in plain order.
    last = last && axis == 1 && y->rank >= 3;
    state *s = ppq_new(p->arena, state);
    s->isa = ppq_plan_isa(p);
    s->pieces = ppq_new_n(p->arena, piece, n);
    int64_t inner = 1;
    for (int i = axis + 1; i < y->rank && !last; i++)
        inner *= y->dim[i];
    s->cols = y->dim[axis] * inner;
    s->rows = ppq_shape_numel(y) / s->cols;
    int32_t *x = ppq_new_n(p->arena, int32_t, n);
    const ppq_q8 to = ppq_q8_u8(out.scale, out.zero);
    int64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        PPQ_TRY(ppq_plan_read(p, in[i].q, last ? PPQ_WANT_LAST : PPQ_WANT_PLAIN, true, &x[i]));
        const ppq_q8 from = ppq_q8_u8(in[i].scale, in[i].zero);
        ppq_q8_requantize_prepare(&from, &to, &s->pieces[i].q);
        s->pieces[i].at = at;
        s->pieces[i].cols = p->shape[op->in[i]->id].dim[axis] * inner;
        at += s->pieces[i].cols;
    }
    const int32_t value = ppq_plan_new_value(p, out.q, PPQ_DT_U8, y,
                                             last ? PPQ_LAYOUT_CHANNELS_LAST : PPQ_LAYOUT_PLAIN);
    ppq_plan_value(p, value)->flipped = out.flipped;
    ppq_step *step = ppq_plan_add_step(p, op, "concat", run, x, op->n_in, &value, 1);
    step->state = s;
    step->int8 = true;
    ppq_plan_done(p, op);
    ppq_plan_done(p, q);
    return PPQ_OK;
}

static const char *const types[] = { "Concat", NULL };

const ppq_rule ppq_rule_concat = {
    .name = "concat",
    .summary = "Concat on integers with different grids, by our own kernel",
    .types = types,
    .lower = lower,
};
