#include "quantizer/correct_bias.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "core/quantfn.h"
#include "executor/exec.h"
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

bool ppq_means_wants(const ppq_means *m, const ppq_op *op, ppq_side side, int slot)
{
    return m && side == PPQ_IN && slot == 0 && correctable(op);
}

// Rows of channels in memory order: outer x channels x inner.
static void add_sums(const float *restrict x, int64_t outer, int64_t channels, int64_t inner,
                     double *restrict sum)
{
    for (int64_t o = 0; inner == 1 && o < outer; o++, x += channels)
        for (int64_t c = 0; c < channels; c++)
            sum[c] += (double) x[c];
    for (int64_t o = 0; inner != 1 && o < outer; o++)
        for (int64_t c = 0; c < channels; c++) {
            double s = 0;
            for (int64_t i = 0; i < inner; i++)
                s += (double) *x++;
            sum[c] += s;
        }
}

static void add_tensor(const ppq_op *op, const ppq_tensor *x, sums *s)
{
    const bool conv = ppq_op_is(op, "Conv");
    const int axis = conv ? 1 : x->shape.rank - 1;
    int64_t inner = 1;
    for (int i = axis + 1; i < x->shape.rank; i++)
        inner *= x->shape.dim[i];
    if (x->layout == PPQ_LAYOUT_CHANNELS_LAST)
        inner = 1;
    const int64_t outer = ppq_shape_numel(&x->shape) / (s->channels * inner);
    add_sums(ppq_f32(x), outer, s->channels, inner, s->at);
}

// What rounding adds to each value, in place of its quantized value. Clipping moves a few values
// far; a bias that made up for their mean would move all the others, so only rounding counts.
static void keep_rounding(const ppq_tqc *t, const ppq_tensor *x, ppq_tensor *q)
{
    float lo = -INFINITY, hi = INFINITY;
    if (ppq_tqc_n(t) == 1) {
        const ppq_qparam p = ppq_tqc_param(t, 0);
        lo = ((float) p.qmin - p.offset - 0.5f) * p.scale;
        hi = ((float) p.qmax - p.offset + 0.5f) * p.scale;
    }
    const float *restrict v = ppq_f32(x);
    float *restrict e = ppq_f32(q);
    const int64_t n = ppq_shape_numel(&x->shape);
    for (int64_t i = 0; i < n; i++) {
        const float d = e[i] - v[i];
        e[i] = v[i] < lo ? 0 : v[i] > hi ? 0 : d;
    }
}

ppq_status ppq_means_add(ppq_means *m, int64_t sample, const ppq_op *op, const ppq_tensor *x,
                         bool shift, ppq_diag *d)
{
    const bool conv = ppq_op_is(op, "Conv");
    if (x->dtype != PPQ_DT_F32 || x->shape.rank < (conv ? 2 : 1) || ppq_shape_numel(&x->shape) == 0)
        return PPQ_OK;
    sums *s = &m->by_sample[(size_t) sample * m->n_ops + op->id];
    s->channels = x->shape.dim[conv ? 1 : x->shape.rank - 1];
    s->count += ppq_shape_numel(&x->shape) / s->channels;
    if (!s->at)
        s->at = calloc((size_t) s->channels + 1, sizeof(*s->at));
    if (!s->at)
        abort();
    if (!shift) {
        add_tensor(op, x, s);
        return PPQ_OK;
    }
    if (!ppq_tqc_n(op->tqc_in[0]))
        return PPQ_OK;
    ppq_tensor q;
    ppq_status st = ppq_tensor_alloc(&q, PPQ_DT_F32, &x->shape);
    if (st == PPQ_OK) {
        q.layout = x->layout;
        st = ppq_tqc_fake_quant(op->tqc_in[0], x, &q);
    }
    if (st == PPQ_OK) {
        keep_rounding(op->tqc_in[0], x, &q);
        add_tensor(op, &q, s);
    }
    ppq_tensor_unref(&q);
    return st == PPQ_OK ? st
                        : ppq_fail(d, st, (ppq_loc){ .stage = "correct-bias", .op = op->name },
                                   "the input of '%s' cannot be quantized", op->name);
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
        for (int64_t o = 0; o < x.channels; o++)
            for (int64_t c = 0; c < per; c++)
                for (int64_t k = 0; k < taps; k++)
                    out[o] += (double) *p++ * mean[o / group * per + c];
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

ppq_status ppq_correct_weights(ppq_graph *g, const ppq_means *m, ppq_diag *d)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        ppq_op *op = g->ops[i];
        if (!correctable(op) || !ppq_tqc_is_active(op->tqc_in[1]))
            continue;
        const ppq_tensor *w = &op->in[1]->value;
        ppq_tensor error;
        ppq_status st = ppq_tensor_alloc(&error, PPQ_DT_F32, &w->shape);
        if (st == PPQ_OK)
            st = ppq_tqc_fake_quant(op->tqc_in[1], w, &error);
        for (int64_t k = 0; st == PPQ_OK && k < ppq_shape_numel(&w->shape); k++)
            ppq_f32(&error)[k] = ppq_f32(w)[k] - ppq_f32(&error)[k];
        if (st == PPQ_OK)
            st = correct(op, m, &error, 1);
        ppq_tensor_unref(&error);
        if (st != PPQ_OK)
            return ppq_fail(d, st, (ppq_loc){ .stage = "correct-bias", .op = op->name },
                            "the bias of '%s' cannot be corrected", op->name);
    }
    return PPQ_OK;
}

// ---- activations ----------------------------------------------------------------------------

typedef struct job {
    ppq_means *m;
    ppq_exec *exec;
    const ppq_calib_source *data;
    ppq_diag *d;
    atomic_int failed;
} job;

typedef struct watcher {
    job *j;
    int64_t sample;
} watcher;

static bool wants(void *user, const ppq_op *op, ppq_side side, int slot)
{
    const watcher *w = user;
    return ppq_means_wants(w->j->m, op, side, slot);
}

static ppq_status see(void *user, const ppq_op *op, ppq_side side, int slot, const ppq_tensor *raw,
                      const ppq_tensor *quant)
{
    const watcher *w = user;
    (void) side;
    (void) slot;
    (void) quant;
    return ppq_means_add(w->j->m, w->sample, op, raw, true, w->j->d);
}

static void one_sample(void *user, int64_t i, int worker)
{
    (void) worker;
    job *j = user;
    const ppq_graph *g = j->m->g;
    const size_t n_in = (size_t) g->n_inputs, n_out = (size_t) g->n_outputs;
    ppq_tensor *t = calloc(n_in + n_out + 1, sizeof(*t));
    if (!t)
        abort();
    watcher w = { j, i };
    const ppq_exec_hook hook = { &w, wants, see };
    ppq_status st = j->data->get(j->data->user, i, t, j->d);
    if (st == PPQ_OK)
        st = ppq_exec_run(j->exec, t, t + n_in, &hook, j->d);
    for (size_t k = 0; k < n_in + n_out; k++)
        ppq_tensor_unref(&t[k]);
    free(t);
    if (st != PPQ_OK)
        atomic_store(&j->failed, (int) st);
}

ppq_status ppq_correct_activations(ppq_graph *g, const ppq_calib_source *data, int64_t n,
                                   int n_threads, ppq_diag *d)
{
    n = PPQ_MIN(n, data->n_samples);
    if (n < 1)
        return PPQ_OK;
    job j = { .m = ppq_means_create(g, n), .data = data, .d = d };
    const ppq_exec_opts o = { .mode = PPQ_EXEC_FLOAT, .n_threads = 1 };
    ppq_status st = ppq_exec_create(g, &o, &j.exec, d);
    if (st == PPQ_OK) {
        ppq_parallel_for(n_threads, n, one_sample, &j);
        st = (ppq_status) atomic_load(&j.failed);
    }
    ppq_exec_destroy(j.exec);
    for (size_t i = 0; i < g->n_ops && st == PPQ_OK; i++)
        if (correctable(g->ops[i]))
            st = correct(g->ops[i], j.m, &g->ops[i]->in[1]->value, -1);
    ppq_means_destroy(j.m);
    return st;
}
