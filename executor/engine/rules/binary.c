#include "executor/engine/kernels/binary.h"

#include "executor/engine/quant_view.h"

// Add, Sub, Mul and Div of two tensors on integers, each on a grid of its own.

typedef struct state {
    ppq_q8_binary k;
    ppq_isa isa;
    bool a_is_vector, b_is_vector; // one value per channel: repeated over pixels
    bool a_is_single, b_is_single;
    int64_t images, rows, cols; // a call of the kernel per image
} state;

typedef struct rows {
    const state *s;
    const unsigned char *a, *b;
    unsigned char *dst;
} rows;

// Row r of the whole result; rows of one image at a time, as vectors belong to an image.
static void run_rows(void *user, int64_t begin, int64_t end)
{
    const rows *x = user;
    const state *s = x->s;
    for (int64_t r = begin; r < end;) {
        const int64_t image = r / s->rows, n = PPQ_MIN(end, (image + 1) * s->rows) - r;
        const unsigned char *a = x->a + (s->a_is_vector ? image : r) * s->cols;
        const unsigned char *b = x->b + (s->b_is_vector ? image : r) * s->cols;
        ppq_q8_binary_run(s->isa, &s->k, a, s->a_is_vector ? 0 : s->cols, b,
                          s->b_is_vector ? 0 : s->cols, x->dst + r * s->cols, n, s->cols);
        r += n;
    }
}

static void run_single(void *user, int64_t begin, int64_t end)
{
    const rows *x = user;
    const state *s = x->s;
    const unsigned char *other = s->a_is_single ? x->b : x->a;
    const int64_t from = begin * s->cols;
    ppq_q8_binary_run_scalar(s->isa, &s->k, s->a_is_single, s->a_is_single ? *x->a : *x->b,
                             other + from, x->dst + from, (end - begin) * s->cols);
}

static ppq_status run(const ppq_step *s, ppq_call *c)
{
    const state *t = s->state;
    rows x = { t, ppq_call_data(c, s->in[0]), ppq_call_data(c, s->in[1]),
               ppq_call_data(c, s->out[0]) };
    ppq_call_split(c, t->images * t->rows, t->a_is_single || t->b_is_single ? run_single : run_rows,
                   &x);
    return PPQ_OK;
}

// ---- planning -------------------------------------------------------------------------------

static bool algorithm(const ppq_op *op, ppq_q8_alg *out)
{
    *out = ppq_op_is(op, "Add")   ? PPQ_Q8_ADD
           : ppq_op_is(op, "Sub") ? PPQ_Q8_SUB
           : ppq_op_is(op, "Mul") ? PPQ_Q8_MUL
                                  : PPQ_Q8_DIV;
    return op->n_in == 2;
}

// N x C x 1 x ... x 1 against N x C x spatial.
static bool is_vector(const ppq_shape *s, const ppq_shape *of)
{
    if (s->rank != of->rank || s->rank < 3 || s->dim[0] != of->dim[0] || s->dim[1] != of->dim[1])
        return false;
    for (int i = 2; i < s->rank; i++)
        if (s->dim[i] != 1)
            return false;
    return true;
}

static bool geometry(const ppq_shape *a, const ppq_shape *b, const ppq_shape *y, state *s)
{
    const int64_t n = ppq_shape_numel(y);
    s->images = s->rows = 1;
    s->cols = n;
    s->a_is_single = ppq_shape_numel(a) == 1 && n > 1;
    s->b_is_single = ppq_shape_numel(b) == 1 && n > 1;
    const bool a_full = ppq_shape_equal(a, y), b_full = ppq_shape_equal(b, y);
    if ((a_full && b_full) || (a_full && s->b_is_single) || (b_full && s->a_is_single)) {
        // Pieces that threads can share.
        for (s->rows = 64; s->rows > 1 && n % s->rows; s->rows /= 2)
            ;
        s->cols = n / s->rows;
        return n > 0;
    }
    s->a_is_vector = b_full && is_vector(a, y);
    s->b_is_vector = a_full && is_vector(b, y);
    s->cols = y->rank > 1 ? y->dim[1] : 1;
    s->images = y->dim[0];
    s->rows = n ? n / (s->cols * s->images) : 0;
    return n > 0 && (s->a_is_vector || s->b_is_vector);
}

// A Relu or Clip between the op and its quantizer narrows the range.
static const ppq_op *activation(const ppq_plan *p, const ppq_var *v, ppq_grid *g)
{
    const ppq_op *op = v->n_uses == 1 && !v->is_output ? v->uses[0].op : NULL;
    return op && ppq_op_is(op, "Relu") && (!p->o.tapped || !p->o.tapped[v->id]) &&
                   ppq_only_quantizer(p, op->out[0], g)
               ? op
               : NULL;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    ppq_grid in[2], out;
    state s = { .isa = ppq_plan_isa(p) };
    if (!algorithm(op, &s.k.alg) || !ppq_grid_of_input(op->in[0], &in[0]) ||
        !ppq_grid_of_input(op->in[1], &in[1]))
        return PPQ_ERR_UNSUPPORTED;
    const ppq_op *act = activation(p, op->out[0], &out);
    const ppq_op *q = ppq_only_quantizer(p, act ? act->out[0] : op->out[0], &out);
    const ppq_shape *y = &p->shape[op->out[0]->id];
    if (!q || !geometry(&p->shape[op->in[0]->id], &p->shape[op->in[1]->id], y, &s))
        return PPQ_ERR_UNSUPPORTED;
    s.k.a = ppq_q8_u8(in[0].scale, in[0].zero);
    s.k.b = ppq_q8_u8(in[1].scale, in[1].zero);
    s.k.dst = ppq_q8_u8(out.scale, out.zero);
    if (act)
        s.k.dst.qmin = out.zero;
    const bool last = s.a_is_vector || s.b_is_vector ||
                      ppq_plan_layout(p, in[0].q) == PPQ_LAYOUT_CHANNELS_LAST ||
                      ppq_plan_layout(p, in[1].q) == PPQ_LAYOUT_CHANNELS_LAST;
    const ppq_want want = last ? PPQ_WANT_LAST : PPQ_WANT_PLAIN;
    int32_t x[2];
    PPQ_TRY(ppq_plan_read(p, in[0].q, want, true, &x[0]));
    PPQ_TRY(ppq_plan_read(p, in[1].q, want, true, &x[1]));
    const int32_t to = ppq_plan_new_value(p, out.q, PPQ_DT_U8, y,
                                          last ? PPQ_LAYOUT_CHANNELS_LAST : PPQ_LAYOUT_PLAIN);
    ppq_plan_value(p, to)->flipped = out.flipped;
    state *kept = ppq_new(p->arena, state);
    *kept = s;
    ppq_step *step = ppq_plan_add_step(p, op, "binary", run, x, 2, &to, 1);
    step->state = kept;
    step->int8 = true;
    ppq_plan_done(p, op);
    ppq_plan_done(p, q);
    if (act)
        ppq_plan_done(p, act);
    return PPQ_OK;
}

static const char *const types[] = { "Add", "Sub", "Mul", "Div", NULL };

const ppq_rule ppq_rule_binary = {
    .name = "binary",
    .summary = "arithmetic of two tensors on integers, by our own kernel",
    .types = types,
    .lower = lower,
};
