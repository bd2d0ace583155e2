#include "quantizer/correct_bias.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "core/quantfn.h"
#include "passes/rewrite.h"

// One sample's sums for one op.
typedef struct sums {
    double *at; // [channels]
    int64_t channels, count;
} sums;

struct ppq_means {
    const ppq_graph *g;
    size_t n_ops;
    int64_t n;
    sums *by_sample; // [n][n_ops]
};

// ---- which ops ------------------------------------------------------------------------------

// The op that holds the bias of a product, and the slot; NULL when there is none.
static ppq_op *bias_holder(const ppq_op *op, int32_t *slot)
{
    if (ppq_op_is(op, "MatMul")) {
        ppq_op *add = ppq_only_reader(op->out[0]);
        if (!add || !ppq_op_is(add, "Add") || !add->tqc_in || !add->tqc_in[1] ||
            add->tqc_in[1]->state != PPQ_QS_PASSIVE_INIT)
            return NULL;
        *slot = 1;
        return ppq_const_f32(add, 1) ? add : NULL;
    }
    *slot = 2;
    return op->n_in > 2 && ppq_const_f32(op, 2) ? (ppq_op *) (uintptr_t) op : NULL;
}

static bool correctable(const ppq_op *op)
{
    int32_t slot;
    return op->place == PPQ_PLACE_QUANT && op->tqc_in && op->tqc_in[0] && op->tqc_in[1] &&
           (ppq_op_is(op, "Conv") || ppq_op_is(op, "MatMul") ||
            (ppq_op_is(op, "Gemm") && !ppq_op_attr_int(op, "transA", 0))) &&
           ppq_const_f32(op, 1) && ppq_weight_axis_of(op, &op->in[1]->shape).axis >= 0 &&
           bias_holder(op, &slot) != NULL;
}

// ---- means ----------------------------------------------------------------------------------

ppq_means *ppq_means_create(const ppq_graph *g, int64_t n)
{
    ppq_means *m = calloc(1, sizeof(*m));
    if (!m)
        abort();
    *m = (ppq_means){ g, g->n_ops, n, calloc((size_t) n * g->n_ops + 1, sizeof(sums)) };
    if (!m->by_sample)
        abort();
    return m;
}

void ppq_means_destroy(ppq_means *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < (size_t) m->n * m->n_ops; i++)
        free(m->by_sample[i].at);
    free(m->by_sample);
    free(m);
}

int64_t ppq_means_samples(const ppq_means *m)
{
    return m->n;
}

void ppq_means_wants(const ppq_means *m, bool *shown)
{
    for (size_t i = 0; i < m->n_ops; i++)
        if (correctable(m->g->ops[i]))
            shown[m->g->ops[i]->in[0]->id] = true;
}

// The sum of n values, in a fixed order that vectors can follow.
PPQ_CLONES
static double sum_of(const float *x, int64_t n)
{
    enum { K = 16 };
    double part[K] = { 0 };
    int64_t i = 0;
    for (; i + K <= n; i += K)
        for (int k = 0; k < K; k++)
            part[k] += (double) x[i + k];
    for (; i < n; i++)
        part[0] += (double) x[i];
    for (int half = K / 2; half; half /= 2)
        for (int k = 0; k < half; k++)
            part[k] += part[k + half];
    return part[0];
}

PPQ_CLONES
static void add_row(const float *restrict x, int64_t n, double *restrict sum)
{
    for (int64_t c = 0; c < n; c++)
        sum[c] += (double) x[c];
}

// How channels lie in memory: outer x channels x inner.
typedef struct extents {
    int64_t channels, inner, n; // n: values in all
} extents;

static extents extents_of(const ppq_op *op, const ppq_tensor *x)
{
    const int axis = ppq_op_is(op, "Conv") ? 1 : x->shape.rank - 1;
    extents r = { x->shape.dim[axis], 1, ppq_shape_numel(&x->shape) };
    for (int i = axis + 1; i < x->shape.rank && x->layout == PPQ_LAYOUT_PLAIN; i++)
        r.inner *= x->shape.dim[i];
    return r;
}

// Adds n values, the first of which is number `at` of the tensor.
static void add_values(const extents *r, const float *x, int64_t at, int64_t n, double *sum)
{
    while (n > 0) {
        const int64_t c = at / r->inner % r->channels;
        const int64_t left = r->inner == 1 ? r->channels - c : r->inner - at % r->inner;
        const int64_t k = PPQ_MIN(left, n);
        if (r->inner == 1)
            add_row(x, k, sum + c);
        else
            sum[c] += sum_of(x, k);
        x += k;
        at += k;
        n -= k;
    }
}

// q becomes what rounding added to x. Clipping moves a few values far; a bias that made up for
// their mean would move all the others, so only values within the range count.
PPQ_CLONES
static void subtract_inside(const float *restrict x, float *restrict q, int64_t n, float lo,
                            float hi)
{
    for (int64_t i = 0; i < n; i++) {
        const float added = q[i] - x[i];
        q[i] = x[i] < lo ? 0 : x[i] > hi ? 0 : added;
    }
}

// Adds what rounding adds to the values.
static void add_rounding(const extents *r, const float *x, ppq_qparam p, double *sum)
{
    enum { TILE = 2048 };
    float added[TILE];
    const float lo = ((float) p.qmin - p.offset - 0.5f) * p.scale;
    const float hi = ((float) p.qmax - p.offset + 0.5f) * p.scale;
    for (int64_t at = 0; at < r->n; at += TILE) {
        const int64_t n = PPQ_MIN(r->n - at, TILE);
        ppq_fake_quant(x + at, added, n, &p);
        subtract_inside(x + at, added, n, lo, hi);
        add_values(r, added, at, n, sum);
    }
}

static void add_for(ppq_means *m, int64_t sample, const ppq_op *op, const ppq_tensor *x, bool shift)
{
    const extents r = extents_of(op, x);
    sums *s = &m->by_sample[(size_t) sample * m->n_ops + op->id];
    s->channels = r.channels;
    s->count += r.n / r.channels;
    if (!s->at)
        s->at = calloc((size_t) s->channels + 1, sizeof(*s->at));
    if (!s->at)
        abort();
    // Channels with scales of their own have no common rounding to measure.
    if (!shift)
        add_values(&r, ppq_f32(x), 0, r.n, s->at);
    else if (ppq_tqc_n(op->tqc_in[0]) == 1)
        add_rounding(&r, ppq_f32(x), ppq_tqc_param(op->tqc_in[0], 0), s->at);
}

void ppq_means_add(ppq_means *m, int64_t sample, const ppq_var *v, const ppq_tensor *x, bool shift)
{
    if (x->dtype != PPQ_DT_F32 || ppq_shape_numel(&x->shape) == 0)
        return;
    for (int32_t i = 0; i < v->n_uses; i++) {
        const ppq_op *op = v->uses[i].op;
        if (v->uses[i].slot == 0 && correctable(op) &&
            x->shape.rank >= (ppq_op_is(op, "Conv") ? 2 : 1))
            add_for(m, sample, op, x, shift);
    }
}

// The mean over samples, in their order; NULL when the op never ran.
static double *mean_of(const ppq_means *m, const ppq_op *op, int64_t *channels)
{
    double *mean = NULL;
    int64_t count = 0;
    for (int64_t k = 0; k < m->n; k++) {
        const sums *s = &m->by_sample[(size_t) k * m->n_ops + op->id];
        if (!s->at || (mean && s->channels != *channels))
            continue;
        *channels = s->channels;
        if (!mean)
            mean = calloc((size_t) s->channels + 1, sizeof(*mean));
        if (!mean)
            abort();
        for (int64_t c = 0; c < s->channels; c++)
            mean[c] += s->at[c];
        count += s->count;
    }
    for (int64_t c = 0; mean && c < *channels; c++)
        mean[c] /= (double) count;
    return mean;
}

// ---- correcting -----------------------------------------------------------------------------

// Filters o < n, each [per][taps], the first `group` of which read the first `per` channels. One
// filter's sum waits for every addition; a few take turns.
static void project_filters(const float *w, int64_t n, int64_t group, int64_t per, int64_t taps,
                            const double *mean, double *out)
{
    enum { TURNS = 8 };
    const int64_t size = per * taps;
    for (int64_t o = 0; o < n; o += TURNS) {
        const float *row[TURNS];
        const double *at[TURNS];
        double sum[TURNS] = { 0 };
        for (int k = 0; k < TURNS; k++) {
            const int64_t filter = PPQ_MIN(o + k, n - 1);
            row[k] = w + filter * size;
            at[k] = mean + filter / group * per;
        }
        for (int64_t c = 0, i = 0; c < per; c++)
            for (int64_t t = 0; t < taps; t++, i++)
                for (int k = 0; k < TURNS; k++)
                    sum[k] += (double) row[k][i] * at[k][c];
        memcpy(out + o, sum, (size_t) PPQ_MIN(n - o, TURNS) * sizeof(*sum));
    }
}

// out[o] = sum over inputs of w times the input's mean.
static bool project(const ppq_op *op, const ppq_tensor *w, const double *mean, int64_t channels,
                    double *out)
{
    const ppq_weight_axis x = ppq_weight_axis_of(op, &w->shape);
    const float *p = ppq_f32(w);
    memset(out, 0, (size_t) x.channels * sizeof(*out));
    if (ppq_op_is(op, "Conv")) {
        const int64_t per = w->shape.dim[1], group = x.channels / PPQ_MAX(x.group, 1);
        const int64_t taps = ppq_shape_numel(&w->shape) / PPQ_MAX(x.channels * per, 1);
        if (x.group < 1 || x.channels % x.group || per * x.group != channels)
            return false;
        project_filters(p, x.channels, group, per, taps, mean, out);
        return true;
    }
    const int64_t rows = w->shape.dim[0], cols = w->shape.dim[1];
    if ((x.axis == 1 ? rows : cols) != channels)
        return false;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            out[x.axis == 1 ? j : i] += (double) *p++ * mean[x.axis == 1 ? i : j];
    return true;
}

static ppq_status shift_bias(ppq_op *op, const double *by)
{
    int32_t slot;
    ppq_op *holder = bias_holder(op, &slot);
    ppq_var *v = holder->in[slot];
    const int64_t n = ppq_weight_axis_of(op, &op->in[1]->shape).channels;
    if (ppq_shape_numel(&v->shape) != n)
        return PPQ_OK;
    PPQ_TRY(ppq_tensor_make_unique(&v->value));
    for (int64_t c = 0; c < n; c++)
        ppq_f32(&v->value)[c] = (float) ((double) ppq_f32(&v->value)[c] + by[c]);
    return PPQ_OK;
}

// b += sign * w E, for one op.
static ppq_status correct(ppq_op *op, const ppq_means *m, const ppq_tensor *w, double sign)
{
    int64_t channels = 0;
    double *mean = mean_of(m, op, &channels);
    const int64_t n = ppq_weight_axis_of(op, &w->shape).channels;
    double *by = mean ? calloc((size_t) n + 1, sizeof(*by)) : NULL;
    ppq_status st = PPQ_OK;
    if (by && project(op, w, mean, channels, by)) {
        for (int64_t c = 0; c < n; c++)
            by[c] *= sign;
        st = shift_bias(op, by);
    }
    free(by);
    free(mean);
    return st;
}

// The error of the weights times the mean.
static ppq_status correct_weight(ppq_op *op, const ppq_means *m)
{
    const ppq_tensor *w = &op->in[1]->value;
    const int64_t n = ppq_shape_numel(&w->shape);
    ppq_tensor error = { 0 };
    ppq_status st = ppq_tensor_alloc(&error, PPQ_DT_F32, &w->shape);
    if (st == PPQ_OK)
        st = ppq_tqc_fake_quant(op->tqc_in[1], w, &error);
    if (st == PPQ_OK) {
        const float *restrict exact = ppq_f32(w);
        float *restrict e = ppq_f32(&error);
        for (int64_t k = 0; k < n; k++)
            e[k] = exact[k] - e[k];
        st = correct(op, m, &error, 1);
    }
    ppq_tensor_unref(&error);
    return st;
}

// ---- all of them ----------------------------------------------------------------------------

typedef struct job {
    ppq_graph *g;
    const ppq_means *m;
    bool shift;         // means are of what rounding adds to activations
    ppq_status *status; // per op
} job;

static void correct_one(void *user, int64_t i, int worker)
{
    (void) worker;
    const job *j = user;
    ppq_op *op = j->g->ops[i];
    if (!correctable(op))
        return;
    if (j->shift)
        j->status[i] = correct(op, j->m, &op->in[1]->value, -1);
    else if (ppq_tqc_is_active(op->tqc_in[1]))
        j->status[i] = correct_weight(op, j->m);
}

static ppq_status correct_all(ppq_graph *g, const ppq_means *m, bool shift, int n_threads,
                              ppq_diag *d)
{
    job j = { g, m, shift, calloc(g->n_ops + 1, sizeof(ppq_status)) };
    if (!j.status)
        abort();
    ppq_parallel_for(n_threads, (int64_t) g->n_ops, correct_one, &j);
    ppq_status st = PPQ_OK;
    for (size_t i = 0; i < g->n_ops && st == PPQ_OK; i++)
        if ((st = j.status[i]) != PPQ_OK)
            st = ppq_fail(d, st, (ppq_loc){ .stage = "correct-bias", .op = g->ops[i]->name },
                          "the bias of '%s' cannot be corrected", g->ops[i]->name);
    free(j.status);
    return st;
}

ppq_status ppq_correct_weights(ppq_graph *g, const ppq_means *m, int n_threads, ppq_diag *d)
{
    return correct_all(g, m, false, n_threads, d);
}

void ppq_corrected_biases(const ppq_graph *g, ppq_tensor *out)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        int32_t slot;
        if (!correctable(g->ops[i]))
            continue;
        const ppq_var *v = bias_holder(g->ops[i], &slot)->in[slot];
        if (!out[v->id].buf)
            out[v->id] = ppq_tensor_ref(&v->value);
    }
}

static ppq_status see(void *user, int64_t sample, int worker, const ppq_var *v,
                      const ppq_tensor *value)
{
    (void) worker;
    ppq_means_add(user, sample, v, value, true);
    return PPQ_OK;
}

ppq_status ppq_correct_activations(ppq_graph *g, ppq_float_run *run, int64_t n, int n_threads,
                                   ppq_diag *d)
{
    if (n < 1)
        return PPQ_OK;
    ppq_means *m = ppq_means_create(g, n);
    ppq_status st = ppq_float_run_samples(run, n, see, m, NULL, d);
    if (st == PPQ_OK)
        st = correct_all(g, m, true, n_threads, d);
    ppq_means_destroy(m);
    return st;
}
