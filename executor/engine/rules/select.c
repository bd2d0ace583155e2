#include <string.h>

#include "executor/engine/kernels/quantize.h"
#include "executor/engine/kernels/requantize.h"
#include "executor/engine/quant_view.h"
#include "executor/exec.h"

// Ops that pick every element of the result by one table per dimension, between two grids: Resize
// to the nearest, Pad, Slice and Tile, in the layout that the bytes have. Tables come from the
// operator itself, run once on the numbers of its elements.

enum { NOTHING = -1, MAX_ELEMENTS = 1 << 25, SHORT_RUN = 8 };

// Neighbours in a row of the result that are neighbours in the source as well, or filled.
typedef struct run {
    int64_t dst, src, n; // bytes; src NOTHING: filled
} run;

typedef struct state {
    ppq_isa isa;
    ppq_q8_requantize q;
    uint8_t fill;
    int n_outer;                 // dimensions around a row
    int64_t dim[PPQ_MAX_RANK];   // of the result
    int64_t *from[PPQ_MAX_RANK]; // bytes from the source's beginning, or NOTHING
    int64_t rows, cols;          // cols in bytes
    run *runs;                   // of a row; used where they are long
    int64_t n_runs, longest;
    int32_t *byte; // [cols] where each byte comes from; NULL: by runs
} state;

// ---- running --------------------------------------------------------------------------------

typedef struct job {
    const state *s;
    const unsigned char *src;
    unsigned char *dst;
} job;

// Where the source of row r begins, or NOTHING.
static int64_t row_source(const state *s, int64_t r)
{
    int64_t at = 0;
    for (int i = s->n_outer - 1; i >= 0; i--) {
        const int64_t from = s->from[i][r % s->dim[i]];
        if (from == NOTHING)
            return NOTHING;
        at += from;
        r /= s->dim[i];
    }
    return at;
}

static void fill_runs(const state *s, unsigned char *dst)
{
    for (int64_t i = 0; i < s->n_runs; i++)
        if (s->runs[i].src == NOTHING)
            memset(dst + s->runs[i].dst, s->fill, (size_t) s->runs[i].n);
}

static void make_row(const state *s, const unsigned char *src, unsigned char *dst)
{
    for (int64_t i = 0; s->byte && i < s->cols; i++)
        dst[i] = src[s->byte[i]];
    for (int64_t i = 0; !s->byte && i < s->n_runs; i++)
        if (s->runs[i].src != NOTHING)
            memcpy(dst + s->runs[i].dst, src + s->runs[i].src, (size_t) s->runs[i].n);
        else
            memset(dst + s->runs[i].dst, 0, (size_t) s->runs[i].n);
    ppq_q8_requantize_run(s->isa, &s->q, dst, s->cols, dst, s->cols, 1, s->cols);
    fill_runs(s, dst);
}

static void make_rows(void *user, int64_t begin, int64_t end)
{
    const job *j = user;
    const state *s = j->s;
    const unsigned char *made = NULL; // the last row, and where it came from
    int64_t made_from = NOTHING;
    for (int64_t r = begin; r < end; r++) {
        unsigned char *dst = j->dst + r * s->cols;
        const int64_t from = row_source(s, r);
        if (from == NOTHING) {
            memset(dst, s->fill, (size_t) s->cols);
            continue;
        }
        if (made && from == made_from)
            memcpy(dst, made, (size_t) s->cols);
        else
            make_row(s, j->src + from, dst);
        made = dst;
        made_from = from;
    }
}

static ppq_status run_select(const ppq_step *s, ppq_call *c)
{
    const state *t = s->state;
    job j = { t, ppq_call_data(c, s->in[0]), ppq_call_data(c, s->out[0]) };
    ppq_call_split(c, t->rows, make_rows, &j);
    return PPQ_OK;
}

// ---- tables ---------------------------------------------------------------------------------

// Which element of the source each of the result is, beginning with 1; 0: a fill.
static ppq_status number_elements(ppq_plan *p, const ppq_op *op, ppq_tensor *out)
{
    const ppq_shape *s = &p->shape[op->in[0]->id];
    const ppq_tensor **in = ppq_new_n(p->arena, const ppq_tensor *, (size_t) op->n_in + 1);
    for (int32_t k = 1; k < op->n_in; k++) {
        if (!op->in[k] || (k == 2 && ppq_op_is(op, "Pad"))) // its constant: left out, it is 0
            continue;
        in[k] = ppq_plan_known(p, op->in[k]);
        if (!in[k])
            return PPQ_ERR_UNSUPPORTED;
    }
    ppq_tensor x;
    PPQ_TRY(ppq_tensor_alloc(&x, PPQ_DT_I32, s));
    int32_t *number = ppq_tensor_data(&x);
    for (int32_t i = 0, n = (int32_t) ppq_shape_numel(s); i < n; i++)
        number[i] = i + 1;
    in[0] = &x;
    *out = (ppq_tensor){ 0 };
    const ppq_status st = ppq_op_eval(op, ppq_graph_opset(p->g, ""), in, out, p->d);
    ppq_tensor_unref(&x);
    return st;
}

// Dimension i of memory in the given layout, among those of the graph.
static int in_memory(int i, int rank, bool last)
{
    return !last || i == 0 ? i : i == rank - 1 ? 1 : i + 1;
}

// Looks along every dimension from an element that is no fill. `table`: in the order of memory, in
// steps of the source.
static bool read_tables(ppq_plan *p, const ppq_tensor *number, const ppq_shape *x, bool last,
                        int64_t **table)
{
    const int32_t *v = ppq_tensor_data(number);
    const ppq_shape *y = &number->shape;
    int64_t xs[PPQ_MAX_RANK], ys[PPQ_MAX_RANK], base = 0;
    const int64_t n = ppq_shape_numel(y);
    ppq_shape_strides(x, xs);
    ppq_shape_strides(y, ys);
    while (base < n && v[base] == 0)
        base++;
    for (int i = 0; i < y->rank && base < n; i++) {
        const int k = in_memory(i, y->rank, last);
        const int64_t origin = base - base / ys[k] % y->dim[k] * ys[k];
        table[i] = ppq_new_n(p->arena, int64_t, (size_t) y->dim[k]);
        for (int64_t j = 0; j < y->dim[k]; j++) {
            const int32_t at = v[origin + j * ys[k]];
            table[i][j] = at ? (at - 1) / xs[k] % x->dim[k] : NOTHING;
        }
    }
    return base < n;
}

static bool is_whole(const int64_t *table, int64_t n, int64_t of)
{
    for (int64_t i = 0; i < n && n == of; i++)
        if (table[i] != i)
            return false;
    return n == of;
}

// A row is the innermost dimension that is not taken as it is, with all of those inside.
static void make_runs(ppq_plan *p, const int64_t *table, int64_t n, int64_t block, state *s)
{
    s->cols = n * block;
    s->runs = ppq_new_n(p->arena, run, (size_t) n);
    for (int64_t i = 0; i < n; i++) {
        const int64_t from = table[i] == NOTHING ? NOTHING : table[i] * block;
        run *last = s->n_runs ? &s->runs[s->n_runs - 1] : NULL;
        if (last && (from == NOTHING ? last->src == NOTHING
                                     : last->src != NOTHING && last->src + last->n == from))
            last->n += block;
        else
            s->runs[s->n_runs++] = (run){ i * block, from, block };
    }
    if (s->cols / s->n_runs >= SHORT_RUN)
        return;
    s->byte = ppq_new_n(p->arena, int32_t, (size_t) s->cols);
    for (int64_t i = 0; i < s->n_runs; i++)
        for (int64_t k = 0; k < s->runs[i].n && s->runs[i].src != NOTHING; k++)
            s->byte[s->runs[i].dst + k] = (int32_t) (s->runs[i].src + k);
}

static ppq_status prepare(ppq_plan *p, const ppq_op *op, bool last, state *s)
{
    const ppq_shape *x = &p->shape[op->in[0]->id];
    ppq_tensor number;
    int64_t *table[PPQ_MAX_RANK], block = 1;
    PPQ_TRY(number_elements(p, op, &number));
    const ppq_shape y = number.shape;
    const bool some = read_tables(p, &number, x, last, table);
    ppq_tensor_unref(&number);
    if (!some)
        return PPQ_ERR_UNSUPPORTED;
    int row = y.rank - 1;
    for (; row > 0; row--) {
        const int k = in_memory(row, y.rank, last);
        if (!is_whole(table[row], y.dim[k], x->dim[k]))
            break;
        block *= y.dim[k];
    }
    const int inner = in_memory(row, y.rank, last);
    make_runs(p, table[row], y.dim[inner], block, s);
    int64_t step = block * x->dim[inner];
    s->n_outer = row;
    s->rows = 1;
    for (int i = row - 1; i >= 0; i--) {
        const int k = in_memory(i, y.rank, last);
        s->dim[i] = y.dim[k];
        s->from[i] = table[i];
        for (int64_t j = 0; j < y.dim[k]; j++)
            table[i][j] *= table[i][j] == NOTHING ? 1 : step;
        step *= x->dim[k];
        s->rows *= y.dim[k];
    }
    return PPQ_OK;
}

// ---- planning -------------------------------------------------------------------------------

static bool applies(const ppq_plan *p, const ppq_op *op)
{
    const ppq_shape *x = &p->shape[op->in[0]->id], *y = &p->shape[op->out[0]->id];
    if (ppq_op_has_trait(op, PPQ_OP_RESAMPLES) && !ppq_op_selects(op))
        return false;
    const int64_t nx = ppq_shape_numel(x), ny = ppq_shape_numel(y);
    return x->rank == y->rank && x->rank > 0 && nx > 0 && ny > 0 && nx < MAX_ELEMENTS &&
           ny < MAX_ELEMENTS;
}

// The byte that stands for what Pad brings in.
static ppq_status find_fill(ppq_plan *p, const ppq_op *op, const ppq_q8 *to, state *s)
{
    float value = 0;
    if (ppq_op_is(op, "Pad") && op->n_in > 2 && op->in[2]) {
        ppq_tensor t = { 0 };
        const bool fits = ppq_const_real(p, op->in[2], &t) && ppq_shape_numel(&t.shape) == 1;
        value = fits ? *ppq_f32(&t) : 0;
        ppq_tensor_unref(&t);
        if (!fits)
            return PPQ_ERR_UNSUPPORTED;
    }
    ppq_q8_quantize(s->isa, to, &value, &s->fill, 1);
    return PPQ_OK;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    ppq_grid in, out;
    if (!applies(p, op) || !ppq_grid_of_var(op->in[0], &in))
        return PPQ_ERR_UNSUPPORTED;
    const ppq_op *q = ppq_only_quantizer(p, op->out[0], &out);
    if (!q)
        return PPQ_ERR_UNSUPPORTED;
    int32_t x;
    state *s = ppq_new(p->arena, state);
    s->isa = ppq_plan_isa(p);
    const ppq_q8 from = ppq_q8_u8(in.scale, in.zero), to = ppq_q8_u8(out.scale, out.zero);
    ppq_q8_requantize_prepare(&from, &to, &s->q);
    PPQ_TRY(find_fill(p, op, &to, s));
    const ppq_layout layout = ppq_plan_layout(p, in.q);
    PPQ_TRY(prepare(p, op, layout == PPQ_LAYOUT_CHANNELS_LAST, s));
    PPQ_TRY(ppq_plan_read(p, in.q, layout == PPQ_LAYOUT_PLAIN ? PPQ_WANT_PLAIN : PPQ_WANT_LAST,
                          true, &x));
    const int32_t y = ppq_plan_new_value(p, out.q, PPQ_DT_U8, &p->shape[out.q->id], layout);
    ppq_plan_value(p, y)->flipped = out.flipped;
    ppq_step *step = ppq_plan_add_step(p, op, "select", run_select, &x, 1, &y, 1);
    step->state = s;
    step->int8 = true;
    ppq_plan_done(p, op);
    ppq_plan_done(p, q);
    return PPQ_OK;
}

static const char *const types[] = { "Resize", "Pad", "Slice", "Tile", "CenterCropPad", NULL };

const ppq_rule ppq_rule_select = {
    .name = "select",
    .summary = "nearest Resize, Pad, Slice, Tile between two grids: bytes picked by tables",
    .types = types,
    .lower = lower,
};
