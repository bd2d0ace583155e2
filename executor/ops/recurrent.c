#include "executor/ops/recurrent.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <tgmath.h>

#include "executor/ops/convert.h"
#include "executor/ops/fast_math.h"
#include "executor/ops/move.h"
#include "executor/ops/product.h"
#include "executor/ops/real.h"

// ---- activations ----------------------------------------------------------------------------

#define GATE_FN(name, ...)                                                               \
    static void fn_##name(float *x, int64_t n, float alpha, float beta)                  \
    {                                                                                    \
        const float a __attribute__((unused)) = alpha, b __attribute__((unused)) = beta; \
        for (int64_t i = 0; i < n; i++) {                                                \
            const float v = x[i];                                                        \
            x[i] = (__VA_ARGS__);                                                        \
        }                                                                                \
    }
GATE_FN(affine, a *v + b)
GATE_FN(relu, v > 0 ? v : 0)
GATE_FN(leaky_relu, v >= 0 ? v : a * v)
GATE_FN(thresholded_relu, v > a ? v : 0)
GATE_FN(tanh, ppq_tanhf(v))
GATE_FN(scaled_tanh, a *ppq_tanhf(b *v))
GATE_FN(sigmoid, 1.0f / (1.0f + ppq_expf(-v)))
GATE_FN(hard_sigmoid, fminf(fmaxf(a *v + b, 0), 1))
GATE_FN(elu, v >= 0 ? v : a * ppq_expm1f(v))
GATE_FN(softsign, v / (1 + fabsf(v)))
GATE_FN(softplus, fast_softplus(v))

typedef struct activation {
    const char *name;
    void (*apply)(float *x, int64_t n, float alpha, float beta);
    int n_params; // how many of alpha and beta it uses
    float alpha, beta;
} activation;

static const activation activations[] = {
    { "Affine", fn_affine, 2, 1, 0 },
    { "Relu", fn_relu, 0, 0, 0 },
    { "LeakyRelu", fn_leaky_relu, 1, 0.01f, 0 },
    { "ThresholdedRelu", fn_thresholded_relu, 1, 1, 0 },
    { "Tanh", fn_tanh, 0, 0, 0 },
    { "ScaledTanh", fn_scaled_tanh, 2, 1, 1 },
    { "Sigmoid", fn_sigmoid, 0, 0, 0 },
    { "HardSigmoid", fn_hard_sigmoid, 2, 0.2f, 0.5f },
    { "Elu", fn_elu, 1, 1, 0 },
    { "Softsign", fn_softsign, 0, 0, 0 },
    { "Softplus", fn_softplus, 0, 0, 0 },
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

static const activation *find_activation(const ppq_string *s)
{
    for (size_t i = 0; i < PPQ_COUNT(activations); i++)
        if (same_name(activations[i].name, s))
            return &activations[i];
    return NULL;
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
    const size_t per = (size_t) r->type->n_activations;
    const size_t wanted = per * (size_t) r->directions;
    size_t n_alpha = 0, n_beta = 0;
    if (names && (names->kind != PPQ_ATTR_STRINGS || (names->count && names->count != wanted)))
        return ppq_args_fail(a, "activations has %zu names, expected %zu", names->count, wanted);
    for (size_t i = 0; i < wanted; i++) {
        const char *normal = r->type->activations[i % per];
        const ppq_string fallback = { normal, strlen(normal) };
        const ppq_string *name = names && names->count ? &names->u.strings[i] : &fallback;
        const activation *f = find_activation(name);
        if (!f)
            return ppq_args_fail(a, "activation \"%.*s\" is not known",
                                 (int) PPQ_MIN(name->size, (size_t) 80), name->data);
        ppq_gate_fn *fn = &r->fn[i / per][i % per];
        fn->apply = f->apply;
        fn->alpha = f->n_params > 0 ? next_param(alpha, &n_alpha, f->alpha) : 0;
        fn->beta = f->n_params > 1 ? next_param(beta, &n_beta, f->beta) : 0;
    }
    return PPQ_OK;
}

void ppq_cell_apply(const ppq_cell *c, float *row, const ppq_gate_fn *fn)
{
    const float limit = c->net->clip;
    const int64_t n = c->net->hidden;
    if (isfinite(limit))
        for (int64_t i = 0; i < n; i++)
            row[i] = row[i] > limit ? limit : row[i] < -limit ? -limit : row[i];
    fn->apply(row, n, fn->alpha, fn->beta);
}

void ppq_cell_activate(const ppq_cell *c, int g, const ppq_gate_fn *fn)
{
    ppq_cell_apply(c, c->gates + g * c->net->hidden, fn);
}

// ---- geometry -------------------------------------------------------------------------------

enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, PEEPHOLE };

static ppq_status check_types(const ppq_args *a)
{
    for (int i = X; i <= PEEPHOLE; i++) {
        const ppq_dtype dt = ppq_args_dtype(a, i);
        if (dt == PPQ_DT_NONE)
            continue;
        if (i == LENGTHS ? dt != PPQ_DT_I32 && dt != PPQ_DT_I64
                         : !ppq_dtype_is_float(dt) || dt == PPQ_DT_F64)
            return ppq_args_fail(a, "input %d is %s, expected %s", i, ppq_dtype_name(dt),
                                 i == LENGTHS ? "int32" : "float32, float16 or bfloat16");
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
    PPQ_TRY(match(a, X, 3, (int64_t *const[]){ first, second, &r->input }));
    PPQ_TRY(match(a, W, 3, (int64_t *const[]){ &d, &rows, &r->input }));
    PPQ_TRY(match(a, R, 3, (int64_t *const[]){ &d, &rows, &r->hidden }));
    PPQ_TRY(multiple(a, &r->hidden, r->type->n_gates, &rows));
    PPQ_TRY(match(a, B, 2, (int64_t *const[]){ &d, &bias }));
    PPQ_TRY(multiple(a, &r->hidden, 2 * r->type->n_gates, &bias));
    PPQ_TRY(match(a, LENGTHS, 1, (int64_t *const[]){ &r->batch }));
    PPQ_TRY(match(a, INITIAL_H, 3, state));
    if (!r->type->has_cell)
        return PPQ_OK;
    PPQ_TRY(match(a, INITIAL_C, 3, state));
    PPQ_TRY(match(a, PEEPHOLE, 2, (int64_t *const[]){ &d, &peephole }));
    return multiple(a, &r->hidden, 3, &peephole);
}

static ppq_status plan(const ppq_args *a, const ppq_recurrent_type *type, ppq_recurrent *r)
{
    static const char *const directions[] = { "forward", "reverse", "bidirectional", NULL };
    const ppq_op *op = ppq_args_op(a);
    const int64_t unknown = PPQ_DIM_UNKNOWN;
    int direction;
    *r = (ppq_recurrent){ .type = type, .steps = unknown, .batch = unknown, .input = unknown };
    PPQ_TRY(check_types(a));
    PPQ_TRY(ppq_args_choice(a, "direction", directions, &direction));
    r->directions = direction == 2 ? 2 : 1;
    r->reverse = direction == 1;
    r->batch_first = ppq_op_attr_int(op, "layout", 0) != 0;
    r->hidden = ppq_op_attr_int(op, "hidden_size", unknown);
    if (r->hidden < 1 && ppq_op_attr(op, "hidden_size"))
        return ppq_args_fail(a, "hidden_size is %" PRId64 ", expected at least 1", r->hidden);
    r->clip = ppq_op_attr_float(op, "clip", INFINITY);
    if (!(r->clip >= 0))
        return ppq_args_fail(a, "clip is %g, expected a positive number", (double) r->clip);
    PPQ_TRY(read_activations(a, r));
    return match_all(a, r);
}

ppq_status ppq_recurrent_infer(ppq_infer_ctx *c, const ppq_recurrent_type *type)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_recurrent r;
    PPQ_TRY(ppq_infer_present(c, 3));
    PPQ_TRY(plan(&a, type, &r));
    const int64_t d = r.directions;
    const ppq_shape y = r.batch_first ? (ppq_shape){ 4, { r.batch, r.steps, d, r.hidden } }
                                      : (ppq_shape){ 4, { r.steps, d, r.batch, r.hidden } };
    const ppq_shape last = r.batch_first ? (ppq_shape){ 3, { r.batch, d, r.hidden } }
                                         : (ppq_shape){ 3, { d, r.batch, r.hidden } };
    for (int i = 0; i < c->op->n_out; i++)
        PPQ_TRY(ppq_infer_out(c, i, c->in_dtype[0], i ? &last : &y));
    return PPQ_OK;
}

// ---- running --------------------------------------------------------------------------------

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

// What one direction works with. Weights are transposed once: their products then run along rows.
typedef struct work {
    const ppq_recurrent *net;
    ppq_kernel_ctx *c;
    ppq_gemm_fn gemm;
    int64_t direction;
    int64_t *length;        // [batch]
    float *w, *r;           // [input, rows], [hidden, rows]
    float *r_last;          // [hidden, hidden]
    float *gates;           // [steps * batch, rows] x W' + Wb
    float *carried;         // [batch, rows]
    float *h, *cell, *temp; // [batch, hidden], [batch, hidden], [hidden]
    const float *w_bias, *r_bias, *peephole;
} work;

static const float *input_at(const ppq_kernel_ctx *c, int slot, int64_t first)
{
    return slot < c->op->n_in && c->in[slot] ? ppq_f32(c->in[slot]) + first : NULL;
}

// dst[columns, rows] = transposed src[rows, columns].
static void transpose(float *dst, const float *src, int64_t rows, int64_t columns)
{
    const int64_t stride[] = { 1, columns }, dim[] = { columns, rows };
    if (rows > 0 && columns > 0)
        ppq_copy_dense(dst, src, stride, dim, 2, sizeof(float));
}

static void load_weights(work *k)
{
    const ppq_recurrent *r = k->net;
    const int64_t rows = r->type->n_gates * r->hidden, d = k->direction;
    transpose(k->w, input_at(k->c, W, d * rows * r->input), rows, r->input);
    const float *recurrence = input_at(k->c, R, d * rows * r->hidden);
    transpose(k->r, recurrence, rows, r->hidden);
    transpose(k->r_last, recurrence + (rows - r->hidden) * r->hidden, r->hidden, r->hidden);
    k->w_bias = input_at(k->c, B, d * 2 * rows);
    k->r_bias = k->w_bias ? k->w_bias + rows : NULL;
    k->peephole = r->type->has_cell ? input_at(k->c, PEEPHOLE, d * 3 * r->hidden) : NULL;
}

static void load_state(const work *k, int slot, float *state)
{
    const ppq_recurrent *r = k->net;
    const float *src = input_at(k->c, slot, 0);
    const size_t bytes = (size_t) r->hidden * sizeof(float);
    for (int64_t b = 0; b < r->batch; b++) {
        if (src)
            memcpy(state + b * r->hidden, src + at_state(r, b, k->direction), bytes);
        else
            memset(state + b * r->hidden, 0, bytes);
    }
}

static void store_state(const work *k, int slot, const float *state)
{
    const ppq_recurrent *r = k->net;
    if (slot >= k->c->op->n_out)
        return;
    for (int64_t b = 0; b < r->batch; b++)
        memcpy(ppq_f32(&k->c->out[slot]) + at_state(r, b, k->direction), state + b * r->hidden,
               (size_t) r->hidden * sizeof(float));
}

// The inputs' part of all gates at all times in one product.
static void feed(const work *k)
{
    const ppq_recurrent *r = k->net;
    const int64_t rows = r->type->n_gates * r->hidden, n = r->steps * r->batch;
    k->gemm(n, rows, r->input, input_at(k->c, X, 0), r->input, 1, k->w, k->gates);
    for (int64_t i = 0; k->w_bias && i < n; i++)
        for (int64_t j = 0; j < rows; j++)
            k->gates[i * rows + j] += k->w_bias[j];
}

static void step(const work *k, int64_t i, int64_t b)
{
    const ppq_recurrent *r = k->net;
    const int64_t rows = r->type->n_gates * r->hidden;
    const bool backwards = r->reverse || k->direction == 1;
    const int64_t t = backwards && i < k->length[b] ? k->length[b] - 1 - i : i;
    float *y = ppq_f32(&k->c->out[0]) + at_y(r, t, b, k->direction);
    if (i >= k->length[b]) {
        memset(y, 0, (size_t) r->hidden * sizeof(*y));
        return;
    }
    const ppq_cell cell = {
        .net = r,
        .fn = r->fn[k->direction],
        .gates = k->gates + at_x(r, t, b) * rows,
        .carried = k->carried + b * rows,
        .r_bias = k->r_bias,
        .peephole = k->peephole,
        .h = k->h + b * r->hidden,
        .c = k->cell + b * r->hidden,
        .r_last = k->r_last,
        .temp = k->temp,
    };
    r->type->cell(&cell, k->c->op);
    memcpy(y, cell.h, (size_t) r->hidden * sizeof(*y));
}

static void run_direction(work *k)
{
    const ppq_recurrent *r = k->net;
    load_weights(k);
    load_state(k, INITIAL_H, k->h);
    if (r->type->has_cell)
        load_state(k, INITIAL_C, k->cell);
    feed(k);
    for (int64_t i = 0; i < r->steps; i++) {
        k->gemm(r->batch, r->type->n_gates * r->hidden, r->hidden, k->h, r->hidden, 1, k->r,
                k->carried);
        for (int64_t b = 0; b < r->batch; b++)
            step(k, i, b);
    }
    store_state(k, 1, k->h);
    if (r->type->has_cell)
        store_state(k, 2, k->cell);
}

static ppq_status read_lengths(const work *k)
{
    const ppq_recurrent *r = k->net;
    const ppq_kernel_ctx *c = k->c;
    const ppq_tensor *t = LENGTHS < c->op->n_in ? c->in[LENGTHS] : NULL;
    for (int64_t b = 0; b < r->batch; b++) {
        k->length[b] = r->steps;
        if (t)
            ppq_load_i64(t, b, 1, &k->length[b]);
        if (k->length[b] < 0 || k->length[b] > r->steps)
            return ppq_kernel_fail(k->c, PPQ_ERR_SHAPE,
                                   "sequence_lens[%" PRId64 "] is %" PRId64
                                   ", the legal range is [0, %" PRId64 "]",
                                   b, k->length[b], r->steps);
    }
    return PPQ_OK;
}

// All buffers in one allocation; floats, but for the lengths in front.
static ppq_status allocate(work *k, ppq_tensor *memory)
{
    const ppq_recurrent *r = k->net;
    const int64_t rows = ppq_dim_mul(r->type->n_gates, r->hidden);
    const int64_t state = ppq_dim_mul(r->batch, r->hidden);
    const struct {
        float **at;
        int64_t n;
    } part[] = {
        { &k->w, ppq_dim_mul(r->input, rows) },
        { &k->r, ppq_dim_mul(r->hidden, rows) },
        { &k->r_last, ppq_dim_mul(r->hidden, r->hidden) },
        { &k->gates, ppq_dim_mul(ppq_dim_mul(r->steps, r->batch), rows) },
        { &k->carried, ppq_dim_mul(r->batch, rows) },
        { &k->h, state },
        { &k->cell, state },
        { &k->temp, r->hidden },
    };
    int64_t total = ppq_dim_mul(2, r->batch); // lengths, in floats
    for (size_t i = 0; i < PPQ_COUNT(part); i++)
        total = ppq_dim_add(total, part[i].n);
    total = ppq_dim_mul(total, (int64_t) sizeof(float));
    if (total < 0)
        return ppq_kernel_fail(k->c, PPQ_ERR_NOMEM, "its buffers would be too large");
    PPQ_TRY(ppq_kernel_temp(k->c, (size_t) total, memory));
    k->length = ppq_tensor_data(memory);
    float *next = (float *) ppq_tensor_data(memory) + 2 * r->batch;
    for (size_t i = 0; i < PPQ_COUNT(part); i++) {
        *part[i].at = next;
        next += part[i].n;
    }
    return PPQ_OK;
}

static ppq_status run_planned(ppq_kernel_ctx *c, const ppq_recurrent *r)
{
    work k = { .net = r, .c = c, .gemm = ppq_gemm_of(PPQ_DT_F32) };
    ppq_tensor memory;
    PPQ_TRY(allocate(&k, &memory));
    const ppq_status st = read_lengths(&k);
    for (k.direction = 0; st == PPQ_OK && k.direction < r->directions; k.direction++)
        run_direction(&k);
    ppq_tensor_unref(&memory);
    return st;
}

ppq_status ppq_recurrent_run(ppq_kernel_ctx *c, const ppq_recurrent_type *type)
{
    const ppq_args a = ppq_args_run(c);
    ppq_recurrent r;
    PPQ_TRY(plan(&a, type, &r));
    return run_planned(c, &r);
}
