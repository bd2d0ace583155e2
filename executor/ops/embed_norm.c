#include "executor/ops/embed_norm.h"

#include <inttypes.h>
#include <math.h>

#include "executor/ops/convert.h"

enum { IDS, SEGMENTS };       // inputs
enum { Y, MASK_INDEX, SUMS }; // outputs

static ppq_dtype out_type(const ppq_args *a, const ppq_embed_norm *e)
{
    return e->word.scale < 0 ? ppq_args_dtype(a, e->word.value) : PPQ_DT_F32;
}

ppq_status ppq_infer_embed_norm(ppq_infer_ctx *c, const ppq_embed_norm *e)
{
    const ppq_args a = ppq_args_infer(c);
    const ppq_shape *ids = &c->in_shape[IDS], *word = ppq_args_shape(&a, e->word.value);
    const ppq_dtype dt = out_type(&a, e);
    if ((ids->rank >= 0 && ids->rank != 2) || (word->rank >= 0 && word->rank != 2))
        return ppq_infer_fail(c, "ids and embeddings of rank %d and %d, expected 2", ids->rank,
                              word->rank);
    const int64_t u = PPQ_DIM_UNKNOWN, batch = ids->rank < 0 ? u : ids->dim[0];
    const ppq_shape y = {
        3, { batch, ids->rank < 0 ? u : ids->dim[1], word->rank < 0 ? u : word->dim[1] }
    };
    const ppq_shape index = ppq_shape_1d(batch);
    PPQ_TRY(ppq_infer_out(c, Y, dt, &y));
    PPQ_TRY(ppq_infer_out(c, MASK_INDEX, PPQ_DT_I32, &index));
    return ppq_infer_out(c, SUMS, dt, &y);
}

// A scale or zero point of one element.
static ppq_status single(const ppq_args *a, int slot, double fallback, double *out)
{
    *out = fallback;
    if (slot < 0 || !ppq_args_has(a, slot))
        return PPQ_OK;
    const ppq_tensor *t = ppq_args_value(a, slot);
    if (!ppq_convert_knows(t->dtype) || ppq_shape_numel(&t->shape) != 1)
        return ppq_args_fail(a, "input %d is not one number", slot);
    ppq_load_f64(t, 0, 1, out);
    return PPQ_OK;
}

// A table as real numbers, of which `rows` has as many as it should if that is known.
typedef struct table {
    const ppq_tensor *t; // NULL: all zero
    double scale, zero;
    int64_t rows, n;
} table;

static ppq_status open_table(const ppq_args *a, const ppq_embed_table *e, int64_t n, table *out)
{
    *out = (table){ .t = ppq_args_value(a, e->value), .n = n };
    if (!out->t)
        return PPQ_OK;
    const ppq_shape *s = &out->t->shape;
    out->rows = s->rank == 2 ? s->dim[0] : 1;
    if (!ppq_convert_knows(out->t->dtype) || s->rank < 1 || s->rank > 2 || s->dim[s->rank - 1] != n)
        return ppq_args_fail(a, "input %d does not hold rows of %" PRId64 " numbers", e->value, n);
    PPQ_TRY(single(a, e->scale, 1, &out->scale));
    return single(a, e->zero, 0, &out->zero);
}

// y += row i of the table
static ppq_status add_row(const ppq_args *a, const table *t, int64_t i, double *row, double *y)
{
    if (!t->t)
        return PPQ_OK;
    if (i < 0 || i >= t->rows)
        return ppq_args_fail(a, "an index is %" PRId64 ", the legal range is [0, %" PRId64 ")", i,
                             t->rows);
    ppq_load_f64(t->t, i * t->n, t->n, row);
    for (int64_t k = 0; k < t->n; k++)
        y[k] += (row[k] - t->zero) * t->scale;
    return PPQ_OK;
}

// Element (b, t) of an index input; `fallback` where there is none. One batch may stand for all.
static int64_t index_at(const ppq_args *a, int slot, int64_t b, int64_t t, int64_t fallback)
{
    if (slot < 0 || !ppq_args_has(a, slot))
        return fallback;
    const ppq_tensor *x = ppq_args_value(a, slot);
    int64_t v;
    ppq_load_i64(x, (x->shape.dim[0] == 1 ? 0 : b) * x->shape.dim[1] + t, 1, &v);
    return v;
}

static ppq_status check_indices(const ppq_args *a, const ppq_embed_norm *e)
{
    const int slots[] = { IDS, SEGMENTS, e->mask, e->positions };
    const ppq_shape *ids = ppq_args_shape(a, IDS);
    for (size_t i = 0; i < PPQ_COUNT(slots); i++) {
        if (slots[i] < 0 || !ppq_args_has(a, slots[i]))
            continue;
        const ppq_shape *s = ppq_args_shape(a, slots[i]);
        const ppq_dtype dt = ppq_args_dtype(a, slots[i]);
        const bool shared =
            slots[i] == e->positions && s->rank == 2 && s->dim[0] == 1 && s->dim[1] == ids->dim[1];
        if ((dt != PPQ_DT_I32 && dt != PPQ_DT_I64) || (!ppq_shape_equal(s, ids) && !shared))
            return ppq_args_fail(a, "input %d is no integer for each token", slots[i]);
    }
    return PPQ_OK;
}

// The sum of a token's rows into y.
static ppq_status embed(const ppq_args *a, const ppq_embed_norm *e, const table *t, int64_t b,
                        int64_t at, double *row, double *y)
{
    for (int64_t k = 0; k < t[0].n; k++)
        y[k] = 0;
    PPQ_TRY(add_row(a, &t[0], index_at(a, IDS, b, at, 0), row, y));
    PPQ_TRY(add_row(a, &t[1], index_at(a, e->positions, b, at, at), row, y));
    return ppq_args_has(a, SEGMENTS) ? add_row(a, &t[2], index_at(a, SEGMENTS, b, at, 0), row, y)
                                     : PPQ_OK;
}

static void normalize(double *y, int64_t n, double epsilon, const double *gamma, const double *beta)
{
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < n; i++)
        mean += y[i] / (double) n;
    for (int64_t i = 0; i < n; i++)
        variance += (y[i] - mean) * (y[i] - mean) / (double) n;
    const double inverse = 1 / sqrt(variance + epsilon);
    for (int64_t i = 0; i < n; i++)
        y[i] = (y[i] - mean) * inverse * gamma[i] + beta[i];
}

static void count_tokens(ppq_kernel_ctx *c, int mask, int64_t batch, int64_t steps)
{
    const ppq_args a = ppq_args_run(c);
    for (int64_t b = 0; b < batch && c->op->n_out > MASK_INDEX; b++) {
        int64_t n = 0;
        for (int64_t t = 0; t < steps; t++)
            n += index_at(&a, mask, b, t, 0) == 1;
        ppq_store_i64(&c->out[MASK_INDEX], b, 1, &n);
    }
}

ppq_status ppq_run_embed_norm(ppq_kernel_ctx *c, const ppq_embed_norm *e)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_shape *s = &c->out[Y].shape;
    const int64_t n = s->dim[2];
    const double epsilon = (double) ppq_op_attr_float(c->op, "epsilon", 1e-12f);
    table t[3], scale, shift;
    PPQ_TRY(check_indices(&a, e));
    PPQ_TRY(open_table(&a, &e->word, n, &t[0]));
    PPQ_TRY(open_table(&a, &e->position, n, &t[1]));
    PPQ_TRY(open_table(&a, &e->segment, n, &t[2]));
    PPQ_TRY(open_table(&a, &e->gamma, n, &scale));
    PPQ_TRY(open_table(&a, &e->beta, n, &shift));
    double *row = ppq_new_n(c->scratch, double, (size_t) n + 1);
    double *y = ppq_new_n(c->scratch, double, (size_t) n + 1);
    double *gamma = ppq_new_n(c->scratch, double, (size_t) n + 1);
    double *beta = ppq_new_n(c->scratch, double, (size_t) n + 1);
    PPQ_TRY(add_row(&a, &scale, 0, row, gamma));
    PPQ_TRY(add_row(&a, &shift, 0, row, beta));
    for (int64_t b = 0; b < s->dim[0]; b++)
        for (int64_t at = 0; at < s->dim[1]; at++) {
            const int64_t to = (b * s->dim[1] + at) * n;
            PPQ_TRY(embed(&a, e, t, b, at, row, y));
            if (c->op->n_out > SUMS)
                ppq_store_f64(&c->out[SUMS], to, n, y, PPQ_CONVERT_DEFAULT);
            normalize(y, n, epsilon, gamma, beta);
            ppq_store_f64(&c->out[Y], to, n, y, PPQ_CONVERT_DEFAULT);
        }
    count_tokens(c, e->mask, s->dim[0], s->dim[1]);
    return PPQ_OK;
}
