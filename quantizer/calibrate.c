#include "quantizer/calibrate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "executor/engine/engine.h"
#include "executor/exec.h"
#include "quantizer/stats.h"

// ---- one TQC and its statistics -------------------------------------------------------------

typedef struct entry {
    struct entry *next_of_var;
    ppq_tqc *tqc;
    const ppq_op *op;
    const ppq_var *var;
    pthread_mutex_t lock; // while the number of channels is not known yet
    ppq_stats **stats;    // [n], one per channel
    uint32_t n;
    float *scale, *offset; // [n], rendered
    bool histogram;        // wanted, even where the observer makes do with a range
    ppq_status status;
} entry;

// A tensor as outer x channels x inner, for a format with a channel axis. One channel otherwise.
typedef struct runs {
    int64_t outer, channels, inner;
} runs;

static runs split(const ppq_qfmt *fmt, const ppq_tensor *x)
{
    runs r = { 1, 1, ppq_shape_numel(&x->shape) };
    const int axis = fmt->axis < 0 ? fmt->axis + x->shape.rank : fmt->axis;
    if (!(fmt->props & PPQ_Q_PER_CHANNEL) || axis < 0 || axis >= x->shape.rank)
        return r;
    r.channels = x->shape.dim[axis];
    r.inner = 1;
    if (x->layout == PPQ_LAYOUT_CHANNELS_LAST && axis == 1) {
        r.outer = r.channels ? ppq_shape_numel(&x->shape) / r.channels : 0;
        return r;
    }
    for (int i = 0; i < axis; i++)
        r.outer *= x->shape.dim[i];
    for (int i = axis + 1; i < x->shape.rank; i++)
        r.inner *= x->shape.dim[i];
    return r;
}

static bool ensure_channels(entry *e, int64_t channels)
{
    pthread_mutex_lock(&e->lock);
    if (!e->stats) {
        e->n = (uint32_t) channels;
        e->stats = calloc((size_t) channels + 1, sizeof(*e->stats));
        e->scale = calloc((size_t) channels + 1, sizeof(*e->scale));
        e->offset = calloc((size_t) channels + 1, sizeof(*e->offset));
        if (!e->stats || !e->scale || !e->offset)
            abort();
        for (int64_t c = 0; c < channels; c++)
            e->stats[c] = ppq_stats_create(e->histogram || e->tqc->observer->histogram);
    }
    const bool same = (int64_t) e->n == channels;
    pthread_mutex_unlock(&e->lock);
    return same;
}

// Short runs: a few channels at a time are copied together, so that statistics see long arrays.
static ppq_status observe_gathered(entry *e, const runs *r, const float *x,
                                   ppq_stats_scratch *scratch, ppq_diag *d)
{
    enum { TOGETHER = 16 };
    const int64_t n = r->outer * r->inner;
    float *buf = malloc((size_t) n * TOGETHER * sizeof(*buf) + 1);
    if (!buf)
        return ppq_fail(d, PPQ_ERR_NOMEM, (ppq_loc){ .stage = "calibrate", .var = e->var->name },
                        "no memory to look at tensor '%s'", e->var->name);
    for (int64_t c0 = 0; c0 < r->channels; c0 += TOGETHER) {
        const int64_t k = PPQ_MIN(r->channels - c0, TOGETHER);
        for (int64_t o = 0; o < r->outer; o++)
            for (int64_t c = 0; c < k; c++)
                for (int64_t i = 0; i < r->inner; i++)
                    buf[c * n + o * r->inner + i] = x[(o * r->channels + c0 + c) * r->inner + i];
        for (int64_t c = 0; c < k; c++)
            ppq_stats_observe(e->stats[c0 + c], buf + c * n, n, scratch);
    }
    free(buf);
    return PPQ_OK;
}

static ppq_status observe(entry *e, const ppq_tensor *x, ppq_stats_scratch *scratch, ppq_diag *d)
{
    const runs r = split(&e->tqc->fmt, x);
    if (!ensure_channels(e, r.channels))
        return ppq_fail(d, PPQ_ERR_SHAPE, (ppq_loc){ .stage = "calibrate", .var = e->var->name },
                        "tensor '%s' has %lld channels in one sample and %u in another",
                        e->var->name, (long long) r.channels, (unsigned) e->n);
    if (r.inner < 16 && r.channels > 1)
        return observe_gathered(e, &r, ppq_f32(x), scratch, d);
    for (int64_t c = 0; c < r.channels; c++)
        for (int64_t o = 0; o < r.outer; o++)
            ppq_stats_observe(e->stats[c], ppq_f32(x) + (o * r.channels + c) * r.inner, r.inner,
                              scratch);
    return PPQ_OK;
}

static ppq_status render(entry *e, ppq_diag *d)
{
    const ppq_loc loc = { .stage = "calibrate", .op = e->op->name, .var = e->var->name };
    if (!e->stats)
        return ppq_fail(d, PPQ_ERR_DATA, loc, "tensor '%s' was not produced by any sample",
                        e->var->name);
    for (uint32_t c = 0; c < e->n; c++) {
        const ppq_range r = ppq_stats_range(e->stats[c]);
        if (r.nonfinite)
            return ppq_fail(d, PPQ_ERR_NUMERIC, loc,
                            "tensor '%s' of op '%s' holds NaN or infinity in %llu of %llu values",
                            e->var->name, e->op->name, (unsigned long long) r.nonfinite,
                            (unsigned long long) r.count);
        PPQ_TRY(
            e->tqc->observer->render(e->stats[c], &e->tqc->fmt, &e->scale[c], &e->offset[c], d));
    }
    return PPQ_OK;
}

static ppq_status commit(entry *e, ppq_arena *a, ppq_diag *d)
{
    PPQ_TRY(ppq_tqc_set_state(e->tqc, PPQ_QS_ACTIVATED, d));
    return ppq_tqc_set_params(e->tqc, a, e->n, e->scale, e->offset, d);
}

static void entry_fini(entry *e)
{
    for (uint32_t c = 0; e->stats && c < e->n; c++)
        ppq_stats_destroy(e->stats[c]);
    free(e->stats);
    free(e->scale);
    free(e->offset);
    pthread_mutex_destroy(&e->lock);
}

// ---- all of them ----------------------------------------------------------------------------

typedef struct calibration {
    entry *entries;
    size_t n;
    entry **by_tqc;              // per TQC id
    ppq_stats_scratch **scratch; // per worker
    ppq_diag *d;
    // activations
    entry **by_var;       // per var id: the first that looks at it
    ppq_engine *engine;   // for samples of the first one's shapes
    ppq_shape *shapes;    // [n_inputs], those
    ppq_exec *exec;       // for the others; made when one comes
    pthread_mutex_t lock; // while it is made
    const ppq_graph *g;
    const ppq_calib_source *data;
    const ppq_progress *progress;
    atomic_int failed; // a ppq_status
    atomic_llong done;
} calibration;

static bool calibrated_here(const ppq_tqc *t, const ppq_var *v, bool constants)
{
    return t && v && t->state == PPQ_QS_INITIAL && t->parent == t &&
           ppq_var_is_const(v) == constants;
}

static void add_entry(calibration *c, ppq_tqc *t, const ppq_op *op, const ppq_var *v)
{
    entry *e = &c->entries[c->n++];
    *e = (entry){ .tqc = t, .op = op, .var = v };
    pthread_mutex_init(&e->lock, NULL);
    c->by_tqc[t->id] = e;
}

static void collect(calibration *c, const ppq_graph *g, bool constants, int n_threads)
{
    *c = (calibration){ .g = g };
    c->entries = calloc((size_t) g->n_tqcs + 1, sizeof(*c->entries));
    c->by_tqc = calloc((size_t) g->n_tqcs + 1, sizeof(*c->by_tqc));
    c->scratch = calloc((size_t) n_threads, sizeof(*c->scratch));
    if (!c->entries || !c->by_tqc || !c->scratch)
        abort();
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        if (op->place != PPQ_PLACE_QUANT)
            continue;
        for (int32_t k = 0; k < op->n_in; k++)
            if (calibrated_here(op->tqc_in[k], op->in[k], constants))
                add_entry(c, op->tqc_in[k], op, op->in[k]);
        for (int32_t k = 0; k < op->n_out; k++)
            if (calibrated_here(op->tqc_out[k], op->out[k], constants))
                add_entry(c, op->tqc_out[k], op, op->out[k]);
    }
    for (int i = 0; i < n_threads; i++)
        c->scratch[i] = ppq_stats_scratch_create();
}

static void calibration_fini(calibration *c, int n_threads)
{
    for (size_t i = 0; i < c->n; i++)
        entry_fini(&c->entries[i]);
    for (int i = 0; i < n_threads; i++)
        ppq_stats_scratch_destroy(c->scratch[i]);
    free(c->scratch);
    free(c->by_tqc);
    free(c->entries);
}

static void render_one(void *user, int64_t i, int worker)
{
    (void) worker;
    calibration *c = user;
    c->entries[i].status = render(&c->entries[i], c->d);
}

static ppq_status render_all(calibration *c, ppq_arena *a, int n_threads, ppq_diag *d)
{
    c->d = d;
    ppq_parallel_for(n_threads, (int64_t) c->n, render_one, c);
    for (size_t i = 0; i < c->n; i++)
        PPQ_TRY(c->entries[i].status);
    for (size_t i = 0; i < c->n; i++)
        PPQ_TRY(commit(&c->entries[i], a, d));
    return PPQ_OK;
}

static void keep_histograms(const calibration *c, ppq_histograms *keep)
{
    ppq_histograms_init(keep, c->n);
    for (size_t i = 0; i < c->n; i++) {
        const entry *e = &c->entries[i];
        ppq_histograms_add(keep, e->op, e->var, e->tqc, e->stats, e->n);
    }
}

// ---- constants ------------------------------------------------------------------------------

static void observe_constant(void *user, int64_t i, int worker)
{
    calibration *c = user;
    entry *e = &c->entries[i];
    e->status = observe(e, &e->var->value, c->scratch[worker], c->d);
    if (e->status == PPQ_OK)
        e->status = render(e, c->d);
    // A histogram per channel of every weight at once would be too much.
    for (uint32_t k = 0; e->stats && k < e->n; k++) {
        ppq_stats_destroy(e->stats[k]);
        e->stats[k] = NULL;
    }
}

ppq_status ppq_calibrate_parameters(ppq_graph *g, int n_threads, ppq_diag *d)
{
    calibration c;
    collect(&c, g, true, n_threads);
    c.d = d;
    ppq_parallel_for(n_threads, (int64_t) c.n, observe_constant, &c);
    ppq_status st = PPQ_OK;
    for (size_t i = 0; i < c.n && st == PPQ_OK; i++)
        st = c.entries[i].status;
    for (size_t i = 0; i < c.n && st == PPQ_OK; i++)
        st = commit(&c.entries[i], g->arena, d);
    calibration_fini(&c, n_threads);
    return st;
}

// ---- activations ----------------------------------------------------------------------------

typedef struct watcher {
    calibration *c;
    int worker;
} watcher;

static entry *entry_of(const calibration *c, const ppq_op *op, ppq_side side, int slot)
{
    if (op->place != PPQ_PLACE_QUANT)
        return NULL;
    const ppq_tqc *t = side == PPQ_IN ? op->tqc_in[slot] : op->tqc_out[slot];
    return t ? c->by_tqc[t->id] : NULL;
}

static bool wants(void *user, const ppq_op *op, ppq_side side, int slot)
{
    const watcher *w = user;
    return entry_of(w->c, op, side, slot) != NULL;
}

static ppq_status carries_no_float(const calibration *c, const ppq_op *op, ppq_dtype dt)
{
    return ppq_fail(c->d, PPQ_ERR_MODEL, (ppq_loc){ .stage = "calibrate", .op = op->name },
                    "op '%s' is to be quantized but carries %s", op->name, ppq_dtype_name(dt));
}

static ppq_status see(void *user, const ppq_op *op, ppq_side side, int slot, const ppq_tensor *raw,
                      const ppq_tensor *quant)
{
    (void) quant;
    watcher *w = user;
    if (raw->dtype != PPQ_DT_F32)
        return carries_no_float(w->c, op, raw->dtype);
    return observe(entry_of(w->c, op, side, slot), raw, w->c->scratch[w->worker], w->c->d);
}

static bool wants_var(void *user, const ppq_var *v)
{
    const watcher *w = user;
    return w->c->by_var[v->id] != NULL;
}

static ppq_status see_var(void *user, const ppq_var *v, const ppq_tensor *value)
{
    watcher *w = user;
    for (entry *e = w->c->by_var[v->id]; e; e = e->next_of_var) {
        if (value->dtype != PPQ_DT_F32)
            return carries_no_float(w->c, e->op, value->dtype);
        PPQ_TRY(observe(e, value, w->c->scratch[w->worker], w->c->d));
    }
    return PPQ_OK;
}

// The engine runs one set of shapes; samples of any other go through the executor.
static bool fits_engine(const calibration *c, const ppq_tensor *in)
{
    for (int32_t i = 0; i < c->g->n_inputs; i++)
        if (!ppq_shape_equal(&c->shapes[i], &in[i].shape))
            return false;
    return true;
}

static ppq_status need_exec(calibration *c)
{
    const ppq_exec_opts o = { .mode = PPQ_EXEC_FLOAT, .n_threads = 1 };
    pthread_mutex_lock(&c->lock);
    const ppq_status st = c->exec ? PPQ_OK : ppq_exec_create(c->g, &o, &c->exec, c->d);
    pthread_mutex_unlock(&c->lock);
    return st;
}

static ppq_status run_tensors(calibration *c, ppq_tensor *in, ppq_tensor *out, int worker)
{
    watcher w = { c, worker };
    const ppq_exec_hook hook = { &w, wants, see };
    const ppq_engine_tap tap = { &w, wants_var, see_var };
    if (fits_engine(c, in))
        return ppq_engine_run(c->engine, in, out, &tap, NULL, c->d);
    PPQ_TRY(need_exec(c));
    return ppq_exec_run(c->exec, in, out, &hook, c->d);
}

static ppq_status run_sample(calibration *c, int64_t i, int worker)
{
    const size_t n_in = (size_t) c->g->n_inputs, n_out = (size_t) c->g->n_outputs;
    ppq_tensor *t = calloc(n_in + n_out + 1, sizeof(*t));
    if (!t)
        abort();
    ppq_status st = c->data->get(c->data->user, i, t, c->d);
    if (st == PPQ_OK)
        st = run_tensors(c, t, t + n_in, worker);
    for (size_t k = 0; k < n_in + n_out; k++)
        ppq_tensor_unref(&t[k]);
    free(t);
    return st;
}

static void one_sample(void *user, int64_t i, int worker)
{
    calibration *c = user;
    if (atomic_load(&c->failed) != PPQ_OK)
        return;
    const ppq_status st = run_sample(c, i, worker);
    if (st != PPQ_OK)
        atomic_store(&c->failed, (int) st);
    const long long done = atomic_fetch_add(&c->done, 1) + 1;
    if (c->progress && c->progress->report)
        c->progress->report(c->progress->user, "calibrate", done, c->data->n_samples);
}

// An engine for the first sample's shapes, which shows every tensor that somebody looks at.
static ppq_status make_engine(calibration *c)
{
    const size_t n_in = (size_t) c->g->n_inputs, n_vars = c->g->n_vars;
    ppq_tensor *in = calloc(n_in + 1, sizeof(*in));
    bool *tapped = calloc(n_vars + 1, sizeof(*tapped));
    c->by_var = calloc(n_vars + 1, sizeof(*c->by_var));
    c->shapes = calloc(n_in + 1, sizeof(*c->shapes));
    if (!in || !tapped || !c->by_var || !c->shapes)
        abort();
    for (size_t i = c->n; i-- > 0;) {
        entry *e = &c->entries[i];
        e->next_of_var = c->by_var[e->var->id];
        c->by_var[e->var->id] = e;
        tapped[e->var->id] = true;
    }
    // One thread per sample: no waiting for each other inside an op, and every sample's numbers are
    // those of a single thread.
    const ppq_engine_opts o = { .n_threads = 1, .shapes = c->shapes, .tapped = tapped };
    ppq_status st = c->data->get(c->data->user, 0, in, c->d);
    for (size_t i = 0; st == PPQ_OK && i < n_in; i++)
        c->shapes[i] = in[i].shape;
    if (st == PPQ_OK)
        st = ppq_engine_create(c->g, &o, &c->engine, c->d);
    for (size_t i = 0; i < n_in; i++)
        ppq_tensor_unref(&in[i]);
    free(in);
    free(tapped);
    return st;
}

static ppq_status run_samples(calibration *c, int n_threads)
{
    pthread_mutex_init(&c->lock, NULL);
    ppq_status st = make_engine(c);
    if (st == PPQ_OK) {
        ppq_parallel_for(n_threads, c->data->n_samples, one_sample, c);
        st = (ppq_status) atomic_load(&c->failed);
    }
    ppq_engine_destroy(c->engine);
    ppq_exec_destroy(c->exec);
    pthread_mutex_destroy(&c->lock);
    free(c->by_var);
    free(c->shapes);
    return st;
}

ppq_status ppq_calibrate_activations(ppq_graph *g, const ppq_calib_source *data, int n_threads,
                                     const ppq_progress *progress, ppq_histograms *keep,
                                     ppq_diag *d)
{
    calibration c;
    collect(&c, g, false, n_threads);
    c.d = d;
    c.data = data;
    c.progress = progress;
    for (size_t i = 0; i < c.n; i++)
        c.entries[i].histogram = keep != NULL;
    ppq_status st = c.n ? run_samples(&c, n_threads) : PPQ_OK;
    if (st == PPQ_OK && c.n)
        st = render_all(&c, g->arena, n_threads, d);
    if (st == PPQ_OK && c.n && keep)
        keep_histograms(&c, keep);
    calibration_fini(&c, n_threads);
    return st;
}
