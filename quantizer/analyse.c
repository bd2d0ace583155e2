#include "quantizer/analyse.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "executor/exec.h"
#include "quantizer/float_run.h"

enum { KEEP = 4096, KEEP_OUTPUT = 65536 };

typedef struct kept {
    float *x;
    int64_t n;
} kept;

struct ppq_analysis {
    ppq_graph *g;
    const ppq_calib_source *data;
    int64_t n, n_seen; // samples compared; samples of the float run
    int n_threads;
    size_t n_vars;
    bool *watch;         // per var id
    kept *reference;     // [n][n_vars]
    ppq_shape *shape;    // [n_seen][n_vars], of the float run
    ppq_dtype *dtype;    // [n_vars]
    ppq_compare *result; // [n][n_vars], then summed into the first row
    ppq_means *means;    // of the float run; borrowed, may be NULL
    ppq_diag *d;
};

double ppq_compare_snr(const ppq_compare *c)
{
    if (isnan(c->noise))
        return -300;
    if (!(c->noise > 0))
        return 300;
    return c->signal > 0 ? PPQ_MIN(300, 10 * log10(c->signal / c->noise)) : -300;
}

double ppq_compare_cosine(const ppq_compare *c)
{
    const double d = sqrt(c->signal) * sqrt(c->norm);
    return d > 0 ? c->dot / d : c->noise > 0 ? 0 : 1;
}

static int64_t n_kept(const ppq_var *v, int64_t numel)
{
    return PPQ_MIN(numel, v->is_output ? KEEP_OUTPUT : KEEP);
}

// Walks a tensor's elements forward in logical order.
typedef struct walker {
    int64_t spatial, channels;
    int64_t image, channel, pixel;
} walker;

static walker walker_of(const ppq_tensor *t)
{
    // The logical order is memory's: one channel of any size.
    if (t->layout == PPQ_LAYOUT_PLAIN)
        return (walker){ .spatial = INT64_MAX, .channels = 1 };
    walker w = { .spatial = 1, .channels = t->shape.dim[1] };
    for (int k = 2; k < t->shape.rank; k++)
        w.spatial *= t->shape.dim[k];
    return w;
}

// Goes on by `n` elements; the position in memory.
static int64_t walk(walker *w, int64_t n)
{
    w->pixel += n;
    if (w->pixel >= w->spatial) {
        w->channel += w->pixel / w->spatial;
        w->pixel %= w->spatial;
    }
    if (w->channel >= w->channels) {
        w->image += w->channel / w->channels;
        w->channel %= w->channels;
    }
    return (w->image * w->spatial + w->pixel) * w->channels + w->channel;
}

// `keep` elements, evenly spaced.
static float *take_elements(const ppq_tensor *t, int64_t keep)
{
    const double apart = (double) ppq_shape_numel(&t->shape) / (double) PPQ_MAX(keep, 1);
    const float *from = ppq_f32(t);
    float *x = malloc((size_t) (keep + 1) * sizeof(*x));
    if (!x)
        abort();
    walker w = walker_of(t);
    for (int64_t j = 0, at = 0; j < keep; j++) {
        const int64_t next = (int64_t) ((double) j * apart);
        x[j] = from[walk(&w, next - at)];
        at = next;
    }
    return x;
}

static void record(ppq_analysis *a, int64_t sample, const ppq_var *v, const ppq_tensor *t)
{
    const int64_t n = n_kept(v, ppq_shape_numel(&t->shape));
    a->reference[(size_t) sample * a->n_vars + v->id] = (kept){ take_elements(t, n), n };
}

static void compare(ppq_analysis *a, int64_t sample, const ppq_var *v, const ppq_tensor *t)
{
    const size_t at = (size_t) sample * a->n_vars + v->id;
    const kept *k = &a->reference[at];
    ppq_compare *r = &a->result[at];
    if (!k->x || k->n != n_kept(v, ppq_shape_numel(&t->shape)))
        return;
    float *got = take_elements(t, k->n);
    for (int64_t j = 0; j < k->n; j++) {
        const double x = (double) k->x[j], y = (double) got[j];
        r->signal += x * x;
        r->norm += y * y;
        r->noise += (x - y) * (x - y);
        r->dot += x * y;
    }
    r->n += k->n;
    free(got);
}

// ---- what is watched ------------------------------------------------------------------------

// The next op, when the value of `v` is rounded only behind it.
static const ppq_op *rounded_by(const ppq_var *v)
{
    const ppq_op *op = v->producer.op;
    if (!op || op->place != PPQ_PLACE_QUANT || v->is_output || v->n_uses != 1)
        return NULL;
    const ppq_tqc *t = op->tqc_out[v->producer.slot];
    const ppq_op *next = v->uses[0].op;
    if (!t || t->state != PPQ_QS_OVERLAPPED || next->place != PPQ_PLACE_QUANT || !next->tqc_out[0])
        return NULL;
    return ppq_tqc_root_const(t) == ppq_tqc_root_const(next->tqc_out[0]) ? next : NULL;
}

static void watch_results(ppq_analysis *a)
{
    for (size_t i = 0; i < a->g->n_ops; i++) {
        const ppq_op *op = a->g->ops[i];
        for (int32_t k = 0; k < op->n_out; k++)
            if (op->out[k] && (op->out[k]->is_output ||
                               (op->place == PPQ_PLACE_QUANT && !rounded_by(op->out[k]))))
                a->watch[op->out[k]->id] = true;
    }
}

// ---- in float -------------------------------------------------------------------------------

static ppq_status see_float(void *user, int64_t sample, int worker, const ppq_var *v,
                            const ppq_tensor *value)
{
    ppq_analysis *a = user;
    (void) worker;
    a->shape[(size_t) sample * a->n_vars + v->id] = value->shape;
    if (sample == 0)
        a->dtype[v->id] = value->dtype;
    if (sample < a->n && a->watch[v->id] && value->dtype == PPQ_DT_F32)
        record(a, sample, v, value);
    if (a->means)
        ppq_means_add(a->means, sample, v, value, false);
    return PPQ_OK;
}

static ppq_status run_float(ppq_analysis *a, ppq_diag *d)
{
    bool *shown = calloc(a->n_vars + 1, sizeof(*shown));
    if (!shown)
        abort();
    for (size_t i = 0; i < a->n_vars; i++) {
        const ppq_var *v = a->g->vars[i];
        const bool known = v->shape.rank >= 0 && v->dtype != PPQ_DT_NONE;
        shown[i] = a->watch[i] || (v->producer.op && !known);
    }
    if (a->means)
        ppq_means_wants(a->means, shown);
    a->d = d;
    ppq_float_run *r = NULL;
    ppq_status st = ppq_float_run_create(a->g, a->data, shown, a->n_threads, &r, d);
    if (st == PPQ_OK)
        st = ppq_float_run_samples(r, a->n_seen, see_float, a, NULL, d);
    ppq_float_run_destroy(r);
    free(shown);
    return st;
}

static void learn_shapes(ppq_analysis *a)
{
    for (size_t i = 0; i < a->n_vars; i++) {
        ppq_var *v = a->g->vars[i];
        if (!v->producer.op || a->dtype[i] == PPQ_DT_NONE)
            continue;
        ppq_shape s = a->shape[i];
        for (int64_t k = 1; k < a->n_seen && s.rank >= 0; k++) {
            const ppq_shape *o = &a->shape[(size_t) k * a->n_vars + i];
            if (o->rank != s.rank)
                s.rank = -1;
            for (int x = 0; x < s.rank; x++)
                if (o->dim[x] != s.dim[x])
                    s.dim[x] = PPQ_DIM_UNKNOWN;
        }
        v->dtype = a->dtype[i];
        // A declared symbol says more than the one size that was seen.
        if (v->shape.rank < 0 && s.rank >= 0)
            v->shape = s;
    }
}

ppq_status ppq_analysis_reference(ppq_graph *g, const ppq_calib_source *data, int64_t n,
                                  int n_threads, ppq_means *means, ppq_analysis **out, ppq_diag *d)
{
    ppq_analysis *a = calloc(1, sizeof(*a));
    if (!a)
        abort();
    *a = (ppq_analysis){ .g = g,
                         .data = data,
                         .n = PPQ_MIN(n, data->n_samples),
                         .n_threads = n_threads,
                         .n_vars = g->n_vars,
                         .means = means };
    a->n_seen = means ? PPQ_MAX(a->n, ppq_means_samples(means)) : a->n;
    const size_t cells = (size_t) a->n * g->n_vars + 1;
    a->watch = calloc(g->n_vars + 1, sizeof(*a->watch));
    a->reference = calloc(cells, sizeof(*a->reference));
    a->shape = calloc((size_t) a->n_seen * g->n_vars + 1, sizeof(*a->shape));
    a->dtype = calloc(g->n_vars + 1, sizeof(*a->dtype));
    a->result = calloc(cells, sizeof(*a->result));
    if (!a->watch || !a->reference || !a->shape || !a->dtype || !a->result)
        abort();
    watch_results(a);
    const ppq_status st = a->n_seen ? run_float(a, d) : PPQ_OK;
    a->means = NULL;
    if (st != PPQ_OK) {
        ppq_analysis_destroy(a);
        return st;
    }
    if (a->n_seen)
        learn_shapes(a);
    free(a->shape);
    a->shape = NULL;
    *out = a;
    return PPQ_OK;
}

// ---- simulated ------------------------------------------------------------------------------

typedef struct job {
    ppq_analysis *a;
    ppq_exec *exec;
    atomic_int failed;
} job;

typedef struct watcher {
    ppq_analysis *a;
    int64_t sample;
} watcher;

static bool wants(void *user, const ppq_op *op, ppq_side side, int slot)
{
    const watcher *w = user;
    return side == PPQ_OUT && op->out[slot] && w->a->watch[op->out[slot]->id];
}

static ppq_status see(void *user, const ppq_op *op, ppq_side side, int slot, const ppq_tensor *raw,
                      const ppq_tensor *quant)
{
    const watcher *w = user;
    (void) side;
    (void) raw;
    if (quant->dtype == PPQ_DT_F32)
        compare(w->a, w->sample, op->out[slot], quant);
    return PPQ_OK;
}

static void one_sample(void *user, int64_t i, int worker)
{
    (void) worker;
    job *j = user;
    ppq_analysis *a = j->a;
    if (atomic_load(&j->failed) != PPQ_OK)
        return;
    const size_t n_in = (size_t) a->g->n_inputs, n_out = (size_t) a->g->n_outputs;
    ppq_tensor *t = calloc(n_in + n_out + 1, sizeof(*t));
    if (!t)
        abort();
    watcher w = { a, i };
    const ppq_exec_hook hook = { &w, wants, see };
    ppq_status st = a->data->get(a->data->user, i, t, a->d);
    if (st == PPQ_OK)
        st = ppq_exec_run(j->exec, t, t + n_in, &hook, a->d);
    for (size_t k = 0; k < n_in + n_out; k++)
        ppq_tensor_unref(&t[k]);
    free(t);
    if (st != PPQ_OK)
        atomic_store(&j->failed, (int) st);
}

static ppq_status simulate(ppq_analysis *a, const ppq_exec_opts *o, ppq_diag *d)
{
    job j = { .a = a };
    a->d = d;
    if (!a->n)
        return PPQ_OK;
    PPQ_TRY(ppq_exec_create(a->g, o, &j.exec, d));
    ppq_parallel_for(a->n_threads, a->n, one_sample, &j);
    ppq_exec_destroy(j.exec);
    PPQ_TRY((ppq_status) atomic_load(&j.failed));
    for (int64_t k = 1; k < a->n; k++)
        for (size_t i = 0; i < a->n_vars; i++) {
            ppq_compare *to = &a->result[i];
            const ppq_compare *from = &a->result[(size_t) k * a->n_vars + i];
            to->signal += from->signal;
            to->noise += from->noise;
            to->dot += from->dot;
            to->norm += from->norm;
            to->n += from->n;
        }
    return PPQ_OK;
}

ppq_status ppq_analysis_simulate(ppq_analysis *a, ppq_diag *d)
{
    const ppq_exec_opts o = { .mode = PPQ_EXEC_SIMULATE, .n_threads = 1 };
    return simulate(a, &o, d);
}

ppq_status ppq_analysis_try(ppq_analysis *a, const bool *in_float, const ppq_tensor *constants,
                            double *snr, ppq_diag *d)
{
    const ppq_exec_opts o = {
        .mode = PPQ_EXEC_SIMULATE, .n_threads = 1, .in_float = in_float, .constants = constants
    };
    ppq_analysis outputs = *a;
    outputs.watch = calloc(a->n_vars + 1, sizeof(*outputs.watch));
    outputs.result = calloc((size_t) a->n * a->n_vars + 1, sizeof(*outputs.result));
    if (!outputs.watch || !outputs.result)
        abort();
    for (int32_t i = 0; i < a->g->n_outputs; i++)
        outputs.watch[a->g->outputs[i]->id] = true;
    const ppq_status st = simulate(&outputs, &o, d);
    *snr = ppq_analysis_worst_output(&outputs);
    free(outputs.watch);
    free(outputs.result);
    return st;
}

double ppq_analysis_worst_output(const ppq_analysis *a)
{
    double worst = HUGE_VAL;
    for (int32_t i = 0; a && i < a->g->n_outputs; i++) {
        const ppq_compare *c = ppq_analysis_var(a, a->g->outputs[i]->id);
        worst = c ? fmin(worst, ppq_compare_snr(c)) : worst;
    }
    return worst;
}

void ppq_analysis_destroy(ppq_analysis *a)
{
    if (!a)
        return;
    for (size_t i = 0; a->reference && i < (size_t) a->n * a->n_vars; i++)
        free(a->reference[i].x);
    free(a->watch);
    free(a->reference);
    free(a->shape);
    free(a->dtype);
    free(a->result);
    free(a);
}

const ppq_compare *ppq_analysis_var(const ppq_analysis *a, uint32_t var_id)
{
    return a && a->n && var_id < a->n_vars && a->result[var_id].n ? &a->result[var_id] : NULL;
}

const ppq_compare *ppq_analysis_op(const ppq_analysis *a, const ppq_op *op)
{
    const ppq_var *v = op->n_out ? op->out[0] : NULL;
    for (const ppq_op *next; v && (next = rounded_by(v));)
        v = next->out[0];
    return v ? ppq_analysis_var(a, v->id) : NULL;
}

int64_t ppq_analysis_samples(const ppq_analysis *a)
{
    return a ? a->n : 0;
}
