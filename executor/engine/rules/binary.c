#include "executor/engine/kernels/binary.h"

#include "executor/engine/quant_view.h"

// Add, Sub, Mul and Div on integers: of two tensors, each on a grid of its own, or of one and a
// constant.

typedef struct state {
    ppq_q8_binary k;
    ppq_isa isa;
    bool a_is_vector, b_is_vector; // one value per channel: repeated over pixels
    bool a_is_single, b_is_single;
    int64_t images, rows, cols; // a call of the kernel per image
    const float *row;           // [cols] of a constant operand
    bool a_is_row;
} state;

// Row r of the whole result; rows of one image at a time, as vectors belong to an image.
static void run_rows(const ppq_rows *x, int64_t begin, int64_t end)
{
    const state *s = x->state;
    for (int64_t r = begin; r < end;) {
        const int64_t image = r / s->rows, n = PPQ_MIN(end, (image + 1) * s->rows) - r;
        const unsigned char *a = x->src + (s->a_is_vector ? image : r) * s->cols;
        const unsigned char *b = x->src_1 + (s->b_is_vector ? image : r) * s->cols;
        ppq_q8_binary_run(s->isa, &s->k, a, s->a_is_vector ? 0 : s->cols, b,
                          s->b_is_vector ? 0 : s->cols, x->dst + r * s->cols, n, s->cols);
        r += n;
    }
}

static void run_single(const ppq_rows *x, int64_t begin, int64_t end)
{
    const state *s = x->state;
    const unsigned char *single = s->a_is_single ? x->src : x->src_1;
    const unsigned char *other = s->a_is_single ? x->src_1 : x->src;
    const int64_t from = begin * s->cols;
    ppq_q8_binary_run_scalar(s->isa, &s->k, s->a_is_single, *single, other + from, x->dst + from,
                             (end - begin) * s->cols);
}

static ppq_status run(const ppq_step *s, ppq_call *c)
{
    const state *t = s->state;
    return ppq_call_rows(c, s, t->images * t->rows,
                         t->a_is_single || t->b_is_single ? run_single : run_rows);
}

static void constant_part(const ppq_rows *x, int64_t begin, int64_t end)
{
    const state *s = x->state;
    ppq_q8_binary_run_row(s->isa, &s->k, s->a_is_row, s->row, x->src + begin * s->cols,
                          x->dst + begin * s->cols, end - begin, s->cols);
}

static ppq_status run_constant(const ppq_step *s, ppq_call *c)
{
    const state *t = s->state;
    return ppq_call_rows(c, s, t->rows, constant_part);
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

// Where the result goes: its grid, the ops behind `op` that it takes in, and their step.
typedef struct target {
    ppq_grid grid;
    const ppq_op *act, *q;
} target;

static bool find_target(const ppq_plan *p, const ppq_op *op, target *t)
{
    t->act = activation(p, op->out[0], &t->grid);
    t->q = ppq_only_quantizer(p, t->act ? t->act->out[0] : op->out[0], &t->grid);
    return t->q != NULL;
}

static ppq_q8 target_format(const target *t)
{
    ppq_q8 q = ppq_q8_u8(t->grid.scale, t->grid.zero);
    if (t->act)
        q.qmin = t->grid.zero;
    return q;
}

static void emit(ppq_plan *p, const ppq_op *op, const target *t, const char *kernel,
                 ppq_status (*run_it)(const ppq_step *s, ppq_call *c), const state *s,
                 const int32_t *x, int n_x)
{
    const ppq_shape *y = &p->shape[op->out[0]->id];
    const int32_t to =
        ppq_plan_new_value(p, t->grid.q, PPQ_DT_U8, y, ppq_plan_value(p, x[0])->layout);
    ppq_plan_value(p, to)->flipped = t->grid.flipped;
    state *kept = ppq_new(p->arena, state);
    *kept = *s;
    ppq_step *step = ppq_plan_add_step(p, op, kernel, run_it, x, n_x, &to, 1);
    step->state = kept;
    step->int8 = true;
    ppq_plan_done(p, op);
    ppq_plan_done(p, t->q);
    if (t->act)
        ppq_plan_done(p, t->act);
}

// ---- a constant -----------------------------------------------------------------------------

// The constant as rows that repeat over the whole result, in the order of its memory.
static bool make_row(ppq_plan *p, const ppq_tensor *t, const ppq_shape *y, bool last, state *s)
{
    enum { MAX_ROW = 1 << 20, LONG_ENOUGH = 512 };
    int64_t stride[PPQ_MAX_RANK], dim[PPQ_MAX_RANK], step[PPQ_MAX_RANK];
    ppq_broadcast_strides(&t->shape, y, stride);
    for (int i = 0; i < y->rank; i++) {
        const int k = !last || i == 0 ? i : i == y->rank - 1 ? 1 : i + 1;
        dim[i] = y->dim[k];
        step[i] = y->dim[k] > 1 ? stride[k] : 0;
    }
    int from = 0;
    while (from < y->rank && step[from] == 0)
        from++;
    int64_t n = 1;
    for (int i = from; i < y->rank; i++)
        n *= dim[i];
    const int64_t repeats = ppq_shape_numel(y) / n;
    if (n > MAX_ROW)
        return false;
    // Short rows several at a time.
    int64_t times = PPQ_MIN(repeats, PPQ_MAX((int64_t) 1, LONG_ENOUGH / n));
    while (repeats % times)
        times--;
    float *row = ppq_new_n(p->arena, float, (size_t) (n * times));
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0, rest = i;
        for (int k = y->rank - 1; k >= from; k--) {
            at += rest % dim[k] * step[k];
            rest /= dim[k];
        }
        for (int64_t k = 0; k < times; k++)
            row[k * n + i] = ppq_f32(t)[at];
    }
    s->row = row;
    s->cols = n * times;
    s->rows = repeats / times;
    return true;
}

// One value per channel: channels-last rows are short.
static bool is_per_channel(const ppq_shape *s, const ppq_shape *y)
{
    const int channel = 1 - (y->rank - s->rank);
    for (int i = 0; i < s->rank; i++)
        if (i != channel && s->dim[i] != 1)
            return false;
    return y->rank >= 3 && channel >= 0;
}

static ppq_status lower_constant(ppq_plan *p, const ppq_op *op, int k, const target *t, state *s)
{
    const ppq_shape *y = &p->shape[op->out[0]->id];
    ppq_grid in;
    ppq_tensor c;
    int32_t x;
    if (!ppq_grid_of_var(op->in[1 - k], &in) || !ppq_shape_equal(&p->shape[op->in[1 - k]->id], y) ||
        !ppq_const_real(p, op->in[k], &c))
        return PPQ_ERR_UNSUPPORTED;
    const bool last =
        is_per_channel(&c.shape, y) || ppq_plan_layout(p, in.q) == PPQ_LAYOUT_CHANNELS_LAST;
    const bool fits = ppq_shape_numel(&c.shape) > 0 && make_row(p, &c, y, last && y->rank >= 3, s);
    ppq_tensor_unref(&c);
    if (!fits)
        return PPQ_ERR_UNSUPPORTED;
    s->a_is_row = k == 0;
    s->k.a = s->k.b = ppq_q8_u8(in.scale, in.zero);
    PPQ_TRY(ppq_plan_read(p, in.q, last ? PPQ_WANT_LAST : PPQ_WANT_PLAIN, true, &x));
    emit(p, op, t, "binary row", run_constant, s, &x, 1);
    return PPQ_OK;
}

// ---- two tensors ----------------------------------------------------------------------------

static ppq_status lower_tensors(ppq_plan *p, const ppq_op *op, const target *t, state *s)
{
    ppq_grid in[2];
    const ppq_shape *y = &p->shape[op->out[0]->id];
    if (!ppq_grid_of_var(op->in[0], &in[0]) || !ppq_grid_of_var(op->in[1], &in[1]) ||
        !geometry(&p->shape[op->in[0]->id], &p->shape[op->in[1]->id], y, s))
        return PPQ_ERR_UNSUPPORTED;
    s->k.a = ppq_q8_u8(in[0].scale, in[0].zero);
    s->k.b = ppq_q8_u8(in[1].scale, in[1].zero);
    const bool last = s->a_is_vector || s->b_is_vector ||
                      ppq_plan_layout(p, in[0].q) == PPQ_LAYOUT_CHANNELS_LAST ||
                      ppq_plan_layout(p, in[1].q) == PPQ_LAYOUT_CHANNELS_LAST;
    const ppq_want want = last ? PPQ_WANT_LAST : PPQ_WANT_PLAIN;
    int32_t x[2];
    PPQ_TRY(ppq_plan_read(p, in[0].q, want, true, &x[0]));
    PPQ_TRY(ppq_plan_read(p, in[1].q, want, true, &x[1]));
    emit(p, op, t, "binary", run, s, x, 2);
    return PPQ_OK;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    target t;
    state s = { .isa = ppq_plan_isa(p) };
    if (!algorithm(op, &s.k.alg) || !find_target(p, op, &t) ||
        ppq_shape_numel(&p->shape[op->out[0]->id]) == 0)
        return PPQ_ERR_UNSUPPORTED;
    s.k.dst = target_format(&t);
    for (int k = 0; k < 2; k++) {
        const ppq_status st = lower_constant(p, op, k, &t, &s);
        if (st != PPQ_ERR_UNSUPPORTED)
            return st;
    }
    return lower_tensors(p, op, &t, &s);
}

static const char *const types[] = { "Add", "Sub", "Mul", "Div", NULL };

const ppq_rule ppq_rule_binary = {
    .name = "binary",
    .summary = "arithmetic of tensors and constants on integers, by our own kernel",
    .types = types,
    .lower = lower,
};
