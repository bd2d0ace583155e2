#include "quantizer/calibrate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
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
    ppq_stats_scratch **scratch; // per worker
    ppq_diag *d;
    entry **by_var; // activations, per var id: the first that looks at it
} calibration;

static bool calibrated_here(const ppq_tqc *t, const ppq_var *v, bool constants)
{
    return t && v && t->state == PPQ_QS_INITIAL && t->parent == t &&
           ppq_var_is_const(v) == constants;
}

static void add_entry(void *user, ppq_tqc *t, const ppq_op *op, const ppq_var *v)
{
    calibration *c = user;
    entry *e = &c->entries[c->n++];
    *e = (entry){ .tqc = t, .op = op, .var = v };
    pthread_mutex_init(&e->lock, NULL);
}

typedef void (*visit)(void *user, ppq_tqc *t, const ppq_op *op, const ppq_var *v);

static void each_calibrated(const ppq_graph *g, bool constants, visit fn, void *user)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        if (op->place != PPQ_PLACE_QUANT)
            continue;
        for (int32_t k = 0; k < op->n_in; k++)
            if (calibrated_here(op->tqc_in[k], op->in[k], constants))
                fn(user, op->tqc_in[k], op, op->in[k]);
        for (int32_t k = 0; k < op->n_out; k++)
            if (calibrated_here(op->tqc_out[k], op->out[k], constants))
                fn(user, op->tqc_out[k], op, op->out[k]);
    }
}

static void collect(calibration *c, const ppq_graph *g, bool constants, int n_threads)
{
    *c = (calibration){ 0 };
    c->entries = calloc((size_t) g->n_tqcs + 1, sizeof(*c->entries));
    c->scratch = calloc((size_t) n_threads, sizeof(*c->scratch));
    if (!c->entries || !c->scratch)
        abort();
    each_calibrated(g, constants, add_entry, c);
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

static void mark(void *user, ppq_tqc *t, const ppq_op *op, const ppq_var *v)
{
    bool *shown = user;
    (void) t;
    (void) op;
    shown[v->id] = true;
}

void ppq_calibrate_wants(const ppq_graph *g, bool *shown)
{
    each_calibrated(g, false, mark, shown);
}

static ppq_status see(void *user, int64_t sample, int worker, const ppq_var *v,
                      const ppq_tensor *value)
{
    calibration *c = user;
    (void) sample;
    for (entry *e = c->by_var[v->id]; e; e = e->next_of_var) {
        if (value->dtype != PPQ_DT_F32)
            return ppq_fail(c->d, PPQ_ERR_MODEL,
                            (ppq_loc){ .stage = "calibrate", .op = e->op->name },
                            "op '%s' is to be quantized but carries %s", e->op->name,
                            ppq_dtype_name(value->dtype));
        PPQ_TRY(observe(e, value, c->scratch[worker], c->d));
    }
    return PPQ_OK;
}

static ppq_status observe_samples(calibration *c, const ppq_graph *g, ppq_float_run *run, int64_t n,
                                  const ppq_progress *progress)
{
    c->by_var = calloc(g->n_vars + 1, sizeof(*c->by_var));
    if (!c->by_var)
        abort();
    for (size_t i = c->n; i-- > 0;) {
        entry *e = &c->entries[i];
        e->next_of_var = c->by_var[e->var->id];
        c->by_var[e->var->id] = e;
    }
    const ppq_status st = ppq_float_run_samples(run, n, see, c, progress, c->d);
    free(c->by_var);
    return st;
}

ppq_status ppq_calibrate_activations(ppq_graph *g, ppq_float_run *run, int64_t n, int n_threads,
                                     const ppq_progress *progress, ppq_histograms *keep,
                                     ppq_diag *d)
{
    calibration c;
    collect(&c, g, false, n_threads);
    c.d = d;
    for (size_t i = 0; i < c.n; i++)
        c.entries[i].histogram = keep != NULL;
    ppq_status st = c.n ? observe_samples(&c, g, run, n, progress) : PPQ_OK;
    if (st == PPQ_OK && c.n)
        st = render_all(&c, g->arena, n_threads, d);
    if (st == PPQ_OK && c.n && keep)
        keep_histograms(&c, keep);
    calibration_fini(&c, n_threads);
    return st;
}
