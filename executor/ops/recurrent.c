#include "executor/ops/recurrent.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"
#include "executor/ops/product.h"
#include "executor/ops/real.h"
#include "executor/ops/recurrent_math.h"

// ---- operators and activations --------------------------------------------------------------

typedef struct kind {
    const char *type;
    int n_gates, n_activations;
    ppq_gate_alg activations[PPQ_MAX_ACTIVATIONS]; // defaults
} kind;

static const kind kinds[PPQ_RECURRENT_KINDS] = {
    [PPQ_RECURRENT_RNN] = { "RNN", 1, 1, { PPQ_GATE_TANH } },
    [PPQ_RECURRENT_GRU] = { "GRU", 3, 2, { PPQ_GATE_SIGMOID, PPQ_GATE_TANH } },
    [PPQ_RECURRENT_LSTM] = { "LSTM", 4, 3, { PPQ_GATE_SIGMOID, PPQ_GATE_TANH, PPQ_GATE_TANH } },
};

static ppq_recurrent_kind kind_of(const ppq_op *op)
{
    int k = 0;
    while (k + 1 < PPQ_RECURRENT_KINDS && strcmp(kinds[k].type, op->type) != 0)
        k++;
    return (ppq_recurrent_kind) k;
}

typedef struct activation {
    const char *name;
    int n_params; // how many of alpha and beta it uses
    float alpha, beta;
} activation;

static const activation activations[PPQ_GATE_ALGS] = {
    [PPQ_GATE_AFFINE] = { "Affine", 2, 1, 0 },
    [PPQ_GATE_RELU] = { "Relu", 0, 0, 0 },
    [PPQ_GATE_LEAKY_RELU] = { "LeakyRelu", 1, 0.01f, 0 },
    [PPQ_GATE_THRESHOLDED_RELU] = { "ThresholdedRelu", 1, 1, 0 },
    [PPQ_GATE_TANH] = { "Tanh", 0, 0, 0 },
    [PPQ_GATE_SCALED_TANH] = { "ScaledTanh", 2, 1, 1 },
    [PPQ_GATE_SIGMOID] = { "Sigmoid", 0, 0, 0 },
    [PPQ_GATE_HARD_SIGMOID] = { "HardSigmoid", 2, 0.2f, 0.5f },
    [PPQ_GATE_ELU] = { "Elu", 1, 1, 0 },
    [PPQ_GATE_SOFTSIGN] = { "Softsign", 0, 0, 0 },
    [PPQ_GATE_SOFTPLUS] = { "Softplus", 0, 0, 0 },
};

// Names are compared without regard to case, as exporters write them both ways.
static bool same_name(const char *name, const ppq_string *s)
{
    if (strlen(name) != s->size)
        return false;
    for (size_t i = 0; i < s->size; i++)
        if (tolower((unsigned char) name[i]) != tolower((unsigned char) s->data[i]))
            return false;
    return true;
}

// PPQ_GATE_ALGS: there is no such activation.
static ppq_gate_alg find_activation(const ppq_string *s)
{
    int i = 0;
    while (i < PPQ_GATE_ALGS && !same_name(activations[i].name, s))
        i++;
    return (ppq_gate_alg) i;
}

// The next value of a float list, or the activation's own.
static float next_param(const ppq_attr *list, size_t *used, float fallback)
{
    const bool more = list && list->kind == PPQ_ATTR_FLOATS && *used < list->count;
    return more ? list->u.floats[(*used)++] : fallback;
}

// Lists alpha and beta hold values only for the activations that have such a parameter.
static ppq_status read_activations(const ppq_args *a, ppq_recurrent *r)
{
    const ppq_op *op = ppq_args_op(a);
    const ppq_attr *names = ppq_op_attr(op, "activations");
    const ppq_attr *alpha = ppq_op_attr(op, "activation_alpha");
    const ppq_attr *beta = ppq_op_attr(op, "activation_beta");
    const size_t per = (size_t) kinds[r->kind].n_activations;
    const size_t wanted = per * (size_t) r->directions;
    size_t n_alpha = 0, n_beta = 0;
    if (names && (names->kind != PPQ_ATTR_STRINGS || (names->count && names->count != wanted)))
        return ppq_args_fail(a, "activations has %zu names, expected %zu", names->count, wanted);
    for (size_t i = 0; i < wanted; i++) {
        const ppq_string *name = names && names->count ? &names->u.strings[i] : NULL;
        const ppq_gate_alg alg = name ? find_activation(name) : kinds[r->kind].activations[i % per];
        if (alg == PPQ_GATE_ALGS)
            return ppq_args_fail(a, "activation \"%.*s\" is not known",
                                 (int) PPQ_MIN(name->size, (size_t) 80), name->data);
        const activation *f = &activations[alg];
        ppq_gate_fn *fn = &r->fn[i / per][i % per];
        fn->alg = alg;
        fn->alpha = f->n_params > 0 ? next_param(alpha, &n_alpha, f->alpha) : 0;
        fn->beta = f->n_params > 1 ? next_param(beta, &n_beta, f->beta) : 0;
    }
    return PPQ_OK;
}

// ---- geometry -------------------------------------------------------------------------------

static ppq_status check_types(const ppq_args *a)
{
    for (int i = 0; i < PPQ_RECURRENT_INPUTS; i++) {
        const ppq_dtype dt = ppq_args_dtype(a, i);
        if (dt == PPQ_DT_NONE)
            continue;
        if (i == PPQ_RECURRENT_LENGTHS ? dt != PPQ_DT_I32 && dt != PPQ_DT_I64
                                       : !ppq_dtype_is_float(dt) || dt == PPQ_DT_F64)
            return ppq_args_fail(a, "input %d is %s, expected %s", i, ppq_dtype_name(dt),
                                 i == PPQ_RECURRENT_LENGTHS ? "int32"
                                                            : "float32, float16 or bfloat16");
    }
    return PPQ_OK;
}

// Input i has the dimensions in `want`, of which the unknown ones are filled in.
static ppq_status match(const ppq_args *a, int i, int rank, int64_t *const *want)
{
    const ppq_shape *s = ppq_args_shape(a, i);
    if (s->rank < 0)
        return PPQ_OK;
    bool fits = s->rank == rank;
    for (int k = 0; fits && k < rank; k++)
        fits = ppq_dim_merge(*want[k], s->dim[k], want[k]);
    char b[192];
    return fits ? PPQ_OK
                : ppq_args_fail(a, "input %d has the shape %s, which does not fit the others", i,
                                ppq_shape_str(s, b, sizeof(b)));
}

// *all is `factor` times *one; the one that is known gives the other.
static ppq_status multiple(const ppq_args *a, int64_t *one, int64_t factor, int64_t *all)
{
    if (*all >= 0 && *one < 0 && *all % factor == 0)
        *one = *all / factor;
    if (!ppq_dim_merge(ppq_dim_mul(*one, factor), *all, all))
        return ppq_args_fail(a, "%" PRId64 " rows of weights are not %" PRId64 " gates of %" PRId64,
                             *all, factor, *one);
    return PPQ_OK;
}

static ppq_status match_all(const ppq_args *a, ppq_recurrent *r)
{
    int64_t d = r->directions, rows = PPQ_DIM_UNKNOWN, bias = PPQ_DIM_UNKNOWN;
    int64_t peephole = PPQ_DIM_UNKNOWN;
    int64_t *first = r->batch_first ? &r->batch : &r->steps;
    int64_t *second = r->batch_first ? &r->steps : &r->batch;
    int64_t *outer = r->batch_first ? &r->batch : &d, *inner = r->batch_first ? &d : &r->batch;
    int64_t *const state[] = { outer, inner, &r->hidden };
    PPQ_TRY(match(a, PPQ_RECURRENT_X, 3, (int64_t *const[]){ first, second, &r->input }));
    PPQ_TRY(match(a, PPQ_RECURRENT_W, 3, (int64_t *const[]){ &d, &rows, &r->input }));
    PPQ_TRY(match(a, PPQ_RECURRENT_R, 3, (int64_t *const[]){ &d, &rows, &r->hidden }));
    PPQ_TRY(multiple(a, &r->hidden, r->n_gates, &rows));
    PPQ_TRY(match(a, PPQ_RECURRENT_B, 2, (int64_t *const[]){ &d, &bias }));
    PPQ_TRY(multiple(a, &r->hidden, 2 * r->n_gates, &bias));
    PPQ_TRY(match(a, PPQ_RECURRENT_LENGTHS, 1, (int64_t *const[]){ &r->batch }));
    PPQ_TRY(match(a, PPQ_RECURRENT_H, 3, state));
    if (!r->has_cell)
        return PPQ_OK;
    PPQ_TRY(match(a, PPQ_RECURRENT_C, 3, state));
    PPQ_TRY(match(a, PPQ_RECURRENT_P, 2, (int64_t *const[]){ &d, &peephole }));
    return multiple(a, &r->hidden, 3, &peephole);
}

static ppq_status describe(const ppq_args *a, ppq_recurrent *r)
{
    static const char *const directions[] = { "forward", "reverse", "bidirectional", NULL };
    const ppq_op *op = ppq_args_op(a);
    const int64_t unknown = PPQ_DIM_UNKNOWN;
    int direction;
    *r = (ppq_recurrent){ .kind = kind_of(op), .steps = unknown, .batch = unknown };
    r->input = unknown;
    r->n_gates = kinds[r->kind].n_gates;
    r->has_cell = r->kind == PPQ_RECURRENT_LSTM;
    PPQ_TRY(check_types(a));
    PPQ_TRY(ppq_args_choice(a, "direction", directions, &direction));
    r->directions = direction == 2 ? 2 : 1;
    r->reverse = direction == 1;
    r->batch_first = ppq_op_attr_int(op, "layout", 0) != 0;
    r->reset_after = ppq_op_attr_int(op, "linear_before_reset", 0) != 0;
    r->coupled = ppq_op_attr_int(op, "input_forget", 0) != 0;
    r->hidden = ppq_op_attr_int(op, "hidden_size", unknown);
    if (r->hidden < 1 && ppq_op_attr(op, "hidden_size"))
        return ppq_args_fail(a, "hidden_size is %" PRId64 ", expected at least 1", r->hidden);
    r->clip = ppq_op_attr_float(op, "clip", INFINITY);
    if (!(r->clip >= 0))
        return ppq_args_fail(a, "clip is %g, expected a positive number", (double) r->clip);
    PPQ_TRY(read_activations(a, r));
    return match_all(a, r);
}

ppq_status ppq_recurrent_describe(ppq_infer_ctx *c, ppq_recurrent *r)
{
    const ppq_args a = ppq_args_infer(c);
    return describe(&a, r);
}

ppq_status ppq_recurrent_infer(ppq_infer_ctx *c)
{
    ppq_recurrent r;
    PPQ_TRY(ppq_infer_present(c, 3));
    PPQ_TRY(ppq_recurrent_describe(c, &r));
    const int64_t d = r.directions;
    const ppq_shape y = r.batch_first ? (ppq_shape){ 4, { r.batch, r.steps, d, r.hidden } }
                                      : (ppq_shape){ 4, { r.steps, d, r.batch, r.hidden } };
    const ppq_shape last = r.batch_first ? (ppq_shape){ 3, { r.batch, d, r.hidden } }
                                         : (ppq_shape){ 3, { d, r.batch, r.hidden } };
    for (int i = 0; i < c->op->n_out; i++)
        PPQ_TRY(ppq_infer_out(c, i, c->in_dtype[0], i ? &last : &y));
    return PPQ_OK;
}

// Where an element of the batch stands in the tensors, by the layout.
static int64_t at_x(const ppq_recurrent *r, int64_t t, int64_t b)
{
    return r->batch_first ? b * r->steps + t : t * r->batch + b;
}

static int64_t at_y(const ppq_recurrent *r, int64_t t, int64_t b, int64_t d)
{
    return (r->batch_first ? at_x(r, t, b) * r->directions + d
                           : (t * r->directions + d) * r->batch + b) *
           r->hidden;
}

static int64_t at_state(const ppq_recurrent *r, int64_t b, int64_t d)
{
    return (r->batch_first ? b * r->directions + d : d * r->batch + b) * r->hidden;
}

// ---- weights --------------------------------------------------------------------------------

// The last gate of a GRU whose reset gate works before the product.
static bool has_last(const ppq_recurrent *r)
{
    return r->kind == PPQ_RECURRENT_GRU && !r->reset_after;
}

// Empty matrices of the right sizes.
static void shape_weights(const ppq_recurrent *r, int64_t panel, ppq_recurrent_weights *w)
{
    const int64_t gates[] = { r->n_gates, r->n_gates - has_last(r), has_last(r) };
    ppq_panels *const m[] = { &w->w, &w->r, &w->last };
    *w = (ppq_recurrent_weights){ .bias = NULL };
    for (size_t i = 0; i < PPQ_COUNT(m); i++) {
        const int64_t n = ppq_dim_mul(gates[i], r->hidden);
        m[i]->depth = i ? r->hidden : r->input;
        const int64_t unit = PPQ_MAX(panel, 1);
        m[i]->columns = n < 0 ? n : (n + unit - 1) / unit * unit;
        m[i]->panel = panel == PPQ_PANEL_WHOLE ? PPQ_MAX(n, 1) : panel;
    }
}

int64_t ppq_recurrent_weight_floats(const ppq_recurrent *r, int64_t panel)
{
    ppq_recurrent_weights w;
    shape_weights(r, panel, &w);
    int64_t n = ppq_dim_add(w.w.columns, r->hidden); // biases
    if (panel != PPQ_PANEL_NONE) {
        n = ppq_dim_add(n, ppq_dim_mul(w.w.columns, w.w.depth));
        n = ppq_dim_add(n, ppq_dim_mul(w.r.columns, w.r.depth));
        n = ppq_dim_add(n, ppq_dim_mul(w.last.columns, w.last.depth));
    }
    return ppq_dim_mul(n, r->directions);
}

// Row i of src[rows, depth] becomes column i. A few columns at a time, for the cache.
static void pack(ppq_panels *m, const float *src, int64_t rows, float **memory)
{
    enum { COLUMNS = 16 };
    float *dst = *memory;
    m->data = m->panel == PPQ_PANEL_NONE ? src : dst;
    if (m->panel == PPQ_PANEL_NONE)
        return;
    *memory += m->columns * m->depth;
    for (int64_t p = 0; p < m->columns; p += m->panel, dst += m->panel * m->depth)
        for (int64_t j = 0; j < m->panel; j += COLUMNS)
            for (int64_t k = 0; k < m->depth; k++)
                for (int64_t i = j; i < PPQ_MIN(j + COLUMNS, m->panel); i++)
                    dst[k * m->panel + i] = p + i < rows ? src[(p + i) * m->depth + k] : 0;
}

// Both biases as one, but for the part of the candidate that the reset gate scales.
static void pack_bias(const ppq_recurrent *r, const float *bias, ppq_recurrent_weights *w,
                      float **memory)
{
    const int64_t rows = r->n_gates * r->hidden;
    const bool apart = r->kind == PPQ_RECURRENT_GRU && r->reset_after;
    const int64_t joined = rows - (apart ? r->hidden : 0);
    float *dst = *memory;
    w->bias = dst;
    w->last_bias = apart ? dst + w->w.columns : NULL;
    *memory += w->w.columns + r->hidden;
    for (int64_t i = 0; i < w->w.columns; i++)
        dst[i] = i < joined ? bias[i] + bias[rows + i] : i < rows ? bias[i] : 0;
    if (apart)
        memcpy(dst + w->w.columns, bias + rows + joined, (size_t) r->hidden * sizeof(*dst));
}

void ppq_recurrent_pack(const ppq_recurrent *r, int64_t panel, const float *const *in,
                        float *memory, ppq_recurrent_weights *out)
{
    const int64_t rows = r->n_gates * r->hidden;
    const float *bias = in[PPQ_RECURRENT_B], *peephole = in[PPQ_RECURRENT_P];
    for (int64_t d = 0; d < r->directions; d++) {
        ppq_recurrent_weights *w = &out[d];
        const float *state = in[PPQ_RECURRENT_R] + d * rows * r->hidden;
        const int64_t last = has_last(r) ? r->hidden : 0;
        shape_weights(r, panel, w);
        pack(&w->w, in[PPQ_RECURRENT_W] + d * rows * r->input, rows, &memory);
        pack(&w->r, state, rows - last, &memory);
        pack(&w->last, state + (rows - last) * r->hidden, last, &memory);
        if (bias)
            pack_bias(r, bias + d * 2 * rows, w, &memory);
        if (peephole && r->has_cell)
            w->peephole = peephole + d * 3 * r->hidden;
    }
}

// ---- running --------------------------------------------------------------------------------

// Where the parts of a job's memory begin.
typedef struct parts {
    int64_t gates, carried, h, c, temp, end;
} parts;

static int64_t temp_floats(const ppq_recurrent *r, const ppq_recurrent_weights *w)
{
    return ppq_dim_add(r->hidden, w->last.columns);
}

static parts divide(const ppq_recurrent *r, const ppq_recurrent_weights *w)
{
    const int64_t n = ppq_dim_mul(r->directions, r->batch);
    parts p = { .gates = ppq_dim_mul(2, r->batch) }; // behind the lengths
    p.carried = ppq_dim_add(p.gates, ppq_dim_mul(ppq_dim_mul(n, r->steps), w->w.columns));
    p.h = ppq_dim_add(p.carried, ppq_dim_mul(n, w->r.columns));
    p.c = ppq_dim_add(p.h, ppq_dim_mul(n, r->hidden));
    p.temp = ppq_dim_add(p.c, ppq_dim_mul(n, r->hidden));
    p.end = ppq_dim_add(p.temp, ppq_dim_mul(n, temp_floats(r, w)));
    return p;
}

int64_t ppq_recurrent_job_floats(const ppq_recurrent *r, const ppq_recurrent_weights *w)
{
    return divide(r, w).end;
}

void ppq_recurrent_feed(const ppq_recurrent_job *j, int64_t from, int64_t to)
{
    const ppq_recurrent *r = j->net;
    const int64_t rows = r->steps * r->batch;
    float *gates = j->memory + divide(r, j->weights).gates;
    for (int64_t end; from < to; from = end) {
        const int64_t d = from / rows;
        const ppq_recurrent_weights *w = &j->weights[d];
        end = PPQ_MIN(to, (d + 1) * rows);
        j->math->product(&w->w, end - from, j->x + (from - d * rows) * r->input, w->bias,
                         gates + from * w->w.columns);
    }
}

static void load_state(const ppq_recurrent *r, const float *src, int64_t d, int64_t b, float *state)
{
    const size_t bytes = (size_t) r->hidden * sizeof(*state);
    if (src)
        memcpy(state, src + at_state(r, b, d), bytes);
    else
        memset(state, 0, bytes);
}

static void store_state(const ppq_recurrent *r, const float *state, int64_t d, int64_t b,
                        float *dst)
{
    if (dst)
        memcpy(dst + at_state(r, b, d), state, (size_t) r->hidden * sizeof(*state));
}

// Step i of one sequence.
static void step(const ppq_recurrent_job *j, const parts *p, int64_t d, int64_t b, int64_t i)
{
    const ppq_recurrent *r = j->net;
    const ppq_recurrent_weights *w = &j->weights[d];
    const int64_t n = j->length ? j->length[b] : r->steps, u = d * r->batch + b;
    const int64_t t = (r->reverse || d == 1) && i < n ? n - 1 - i : i;
    const size_t bytes = (size_t) r->hidden * sizeof(float);
    float *y = j->y ? j->y + at_y(r, t, b, d) : NULL;
    if (i >= n) {
        if (y)
            memset(y, 0, bytes);
        return;
    }
    const ppq_cell cell = {
        .net = r,
        .math = j->math,
        .weights = w,
        .fn = r->fn[d],
        .gates = j->memory + p->gates + (d * r->steps * r->batch + at_x(r, t, b)) * w->w.columns,
        .carried = j->memory + p->carried + u * w->r.columns,
        .h = j->memory + p->h + u * r->hidden,
        .c = r->has_cell ? j->memory + p->c + u * r->hidden : NULL,
        .temp = j->memory + p->temp + u * temp_floats(r, w),
    };
    j->math->cell[r->kind](&cell);
    if (y)
        memcpy(y, cell.h, bytes);
}

// Sequences [from, to) of direction d, which share its weights.
static void walk(const ppq_recurrent_job *j, int64_t d, int64_t from, int64_t to)
{
    const ppq_recurrent *r = j->net;
    const ppq_recurrent_weights *w = &j->weights[d];
    const parts p = divide(r, w);
    float *h = j->memory + p.h + d * r->batch * r->hidden;
    float *c = j->memory + p.c + d * r->batch * r->hidden;
    float *carried = j->memory + p.carried + (d * r->batch + from) * w->r.columns;
    for (int64_t b = from; b < to; b++) {
        load_state(r, j->h, d, b, h + b * r->hidden);
        if (r->has_cell)
            load_state(r, j->c, d, b, c + b * r->hidden);
    }
    for (int64_t i = 0; i < r->steps; i++) {
        j->math->product(&w->r, to - from, h + from * r->hidden, NULL, carried);
        for (int64_t b = from; b < to; b++)
            step(j, &p, d, b, i);
    }
    for (int64_t b = from; b < to; b++) {
        store_state(r, h + b * r->hidden, d, b, j->last_h);
        if (r->has_cell)
            store_state(r, c + b * r->hidden, d, b, j->last_c);
    }
}

void ppq_recurrent_walk(const ppq_recurrent_job *j, int64_t from, int64_t to)
{
    const int64_t batch = j->net->batch;
    for (int64_t end; from < to; from = end) {
        const int64_t d = from / batch;
        end = PPQ_MIN(to, (d + 1) * batch);
        walk(j, d, from - d * batch, end - d * batch);
    }
}

ppq_status ppq_recurrent_lengths(ppq_recurrent_job *j, const ppq_tensor *t, ppq_kernel_ctx *c)
{
    int64_t *length = (void *) j->memory;
    if (!t)
        return PPQ_OK;
    ppq_load_i64(t, 0, j->net->batch, length);
    for (int64_t b = 0; b < j->net->batch; b++)
        if (length[b] < 0 || length[b] > j->net->steps)
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                                   "sequence_lens[%" PRId64 "] is %" PRId64
                                   ", the legal range is [0, %" PRId64 "]",
                                   b, length[b], j->net->steps);
    j->length = length;
    return PPQ_OK;
}

// ---- plain C --------------------------------------------------------------------------------

// Sums over rows of x and columns of m, in their order; eight at a time do not wait for each other.
static void product_columns(const ppq_panels *m, const float *x, float *y)
{
    enum { COLUMNS = 8 };
    const int64_t depth = m->depth;
    for (int64_t j = 0; j < m->columns; j += COLUMNS) {
        const float *w[COLUMNS];
        float sum[COLUMNS] = { 0 };
        for (int i = 0; i < COLUMNS; i++)
            w[i] = m->data + PPQ_MIN(j + i, m->columns - 1) * depth;
        for (int64_t k = 0; k < depth; k++)
            for (int i = 0; i < COLUMNS; i++)
                sum[i] += x[k] * w[i][k];
        for (int i = 0; i < COLUMNS && j + i < m->columns; i++)
            y[j + i] = sum[i];
    }
}

static void product(const ppq_panels *m, int64_t rows, const float *x, const float *bias, float *y)
{
    if (m->panel == PPQ_PANEL_NONE)
        for (int64_t i = 0; i < rows; i++)
            product_columns(m, x + i * m->depth, y + i * m->columns);
    else
        ppq_gemm_of(PPQ_DT_F32)(rows, m->columns, m->depth, x, m->depth, 1, m->data, y);
    for (int64_t i = 0; bias && i < rows; i++)
        for (int64_t k = 0; k < m->columns; k++)
            y[i * m->columns + k] += bias[k];
}

static const ppq_recurrent_math plain = { .product = product, .cell = cells };

static const ppq_tensor *input(const ppq_kernel_ctx *c, int slot)
{
    return slot < c->op->n_in ? c->in[slot] : NULL;
}

static float *output(const ppq_kernel_ctx *c, int slot)
{
    return slot < c->op->n_out ? ppq_f32(&c->out[slot]) : NULL;
}

// Packing pays from a few steps on.
static int64_t panel_for(const ppq_recurrent *r)
{
    enum { FEW = 4 };
    return r->steps < FEW && r->steps * r->batch < FEW ? PPQ_PANEL_NONE : PPQ_PANEL_WHOLE;
}

static const float *floats(const ppq_kernel_ctx *c, int slot)
{
    return input(c, slot) ? ppq_f32(input(c, slot)) : NULL;
}

ppq_status ppq_recurrent_run(ppq_kernel_ctx *c, const ppq_recurrent *r,
                             const ppq_recurrent_weights *weights, float *memory)
{
    ppq_recurrent_job j = {
        .net = r,
        .math = &plain,
        .weights = weights,
        .x = floats(c, PPQ_RECURRENT_X),
        .h = floats(c, PPQ_RECURRENT_H),
        .c = floats(c, PPQ_RECURRENT_C),
        .y = output(c, 0),
        .last_h = output(c, 1),
        .last_c = output(c, 2),
        .memory = memory,
    };
    PPQ_TRY(ppq_recurrent_lengths(&j, input(c, PPQ_RECURRENT_LENGTHS), c));
    ppq_recurrent_feed(&j, 0, r->directions * r->steps * r->batch);
    ppq_recurrent_walk(&j, 0, r->directions * r->batch);
    return PPQ_OK;
}

static ppq_status run_with(ppq_kernel_ctx *c, const ppq_recurrent *r, float *memory, float *packed)
{
    const float *in[PPQ_RECURRENT_INPUTS];
    ppq_recurrent_weights w[PPQ_MAX_DIRECTIONS];
    for (int i = 0; i < PPQ_RECURRENT_INPUTS; i++)
        in[i] = i != PPQ_RECURRENT_LENGTHS ? floats(c, i) : NULL;
    ppq_recurrent_pack(r, panel_for(r), in, packed, w);
    return ppq_recurrent_run(c, r, w, memory);
}

// All buffers are one allocation.
static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    ppq_recurrent r;
    ppq_recurrent_weights w;
    ppq_tensor memory;
    PPQ_TRY(describe(&a, &r));
    shape_weights(&r, panel_for(&r), &w);
    const int64_t n = ppq_recurrent_job_floats(&r, &w);
    const int64_t bytes = ppq_dim_mul(
        ppq_dim_add(n, ppq_recurrent_weight_floats(&r, panel_for(&r))), (int64_t) sizeof(float));
    if (bytes < 0)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "its buffers would be too large");
    PPQ_TRY(ppq_kernel_temp(c, (size_t) bytes, &memory));
    float *at = ppq_tensor_data(&memory);
    const ppq_status st = run_with(c, &r, at, at + n);
    ppq_tensor_unref(&memory);
    return st;
}

ppq_status ppq_recurrent_forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}
