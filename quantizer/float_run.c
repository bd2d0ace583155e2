#include "quantizer/float_run.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "executor/engine/engine.h"
#include "executor/exec.h"

struct ppq_float_run {
    const ppq_graph *g;
    const ppq_calib_source *data;
    int n_threads;
    bool *shown;          // [n_vars]
    ppq_shape *shapes;    // [n_inputs], the first sample's
    ppq_engine *engine;   // for samples of these shapes
    ppq_exec *exec;       // for the others; made when one comes
    pthread_mutex_t lock; // while it is made
};

// The samples of one call.
typedef struct batch {
    ppq_float_run *r;
    ppq_float_see see;
    void *user;
    const ppq_progress *progress;
    ppq_diag *d;
    int64_t n;
    atomic_int failed; // a ppq_status
    atomic_llong done;
} batch;

typedef struct watcher {
    const batch *to;
    int64_t sample;
    int worker;
} watcher;

// ---- what is seen ---------------------------------------------------------------------------

static bool wants_var(void *user, const ppq_var *v)
{
    const watcher *w = user;
    return w->to->r->shown[v->id];
}

static ppq_status see_var(void *user, const ppq_var *v, const ppq_tensor *value)
{
    const watcher *w = user;
    return w->to->see(w->to->user, w->sample, w->worker, v, value);
}

static bool wants_slot(void *user, const ppq_op *op, ppq_side side, int slot)
{
    return side == PPQ_OUT && op->out[slot] && wants_var(user, op->out[slot]);
}

static ppq_status see_slot(void *user, const ppq_op *op, ppq_side side, int slot,
                           const ppq_tensor *raw, const ppq_tensor *quant)
{
    (void) side;
    (void) quant;
    return see_var(user, op->out[slot], raw);
}

// ---- one sample -----------------------------------------------------------------------------

static bool fits_engine(const ppq_float_run *r, const ppq_tensor *in)
{
    for (int32_t i = 0; i < r->g->n_inputs; i++)
        if (!ppq_shape_equal(&r->shapes[i], &in[i].shape))
            return false;
    return true;
}

static ppq_status need_exec(ppq_float_run *r, ppq_diag *d)
{
    const ppq_exec_opts o = { .mode = PPQ_EXEC_FLOAT, .n_threads = 1 };
    pthread_mutex_lock(&r->lock);
    const ppq_status st = r->exec ? PPQ_OK : ppq_exec_create(r->g, &o, &r->exec, d);
    pthread_mutex_unlock(&r->lock);
    return st;
}

// The executor shows what ops make; what is fed is shown here.
static ppq_status run_exec(const batch *o, watcher *w, const ppq_tensor *in, ppq_tensor *out)
{
    const ppq_exec_hook hook = { w, wants_slot, see_slot };
    PPQ_TRY(need_exec(o->r, o->d));
    for (int32_t i = 0; i < o->r->g->n_inputs; i++)
        if (wants_var(w, o->r->g->inputs[i]))
            PPQ_TRY(see_var(w, o->r->g->inputs[i], &in[i]));
    return ppq_exec_run(o->r->exec, in, out, &hook, o->d);
}

static ppq_status run_sample(const batch *o, int64_t i, int worker)
{
    const ppq_float_run *r = o->r;
    const size_t n_in = (size_t) r->g->n_inputs, n_out = (size_t) r->g->n_outputs;
    ppq_tensor *t = calloc(n_in + n_out + 1, sizeof(*t));
    if (!t)
        abort();
    watcher w = { o, i, worker };
    const ppq_engine_tap tap = { &w, wants_var, see_var };
    ppq_status st = r->data->get(r->data->user, i, t, o->d);
    if (st == PPQ_OK)
        st = fits_engine(r, t) ? ppq_engine_run(r->engine, t, t + n_in, &tap, NULL, o->d)
                               : run_exec(o, &w, t, t + n_in);
    for (size_t k = 0; k < n_in + n_out; k++)
        ppq_tensor_unref(&t[k]);
    free(t);
    return st;
}

static void one_sample(void *user, int64_t i, int worker)
{
    batch *o = user;
    if (atomic_load(&o->failed) != PPQ_OK)
        return;
    const ppq_status st = run_sample(o, i, worker);
    if (st != PPQ_OK)
        atomic_store(&o->failed, (int) st);
    const long long done = atomic_fetch_add(&o->done, 1) + 1;
    if (o->progress && o->progress->report)
        o->progress->report(o->progress->user, "calibrate", done, o->n);
}

ppq_status ppq_float_run_samples(ppq_float_run *r, int64_t n, ppq_float_see see, void *user,
                                 const ppq_progress *progress, ppq_diag *d)
{
    batch o = { .r = r, .see = see, .user = user, .progress = progress, .d = d, .n = n };
    ppq_parallel_for(r->n_threads, n, one_sample, &o);
    return (ppq_status) atomic_load(&o.failed);
}

// ---- making it ------------------------------------------------------------------------------

static ppq_status make_engine(ppq_float_run *r, ppq_diag *d)
{
    const size_t n_in = (size_t) r->g->n_inputs;
    ppq_tensor *in = calloc(n_in + 1, sizeof(*in));
    if (!in)
        abort();
    const ppq_engine_opts o = { .n_threads = 1, .shapes = r->shapes, .tapped = r->shown };
    ppq_status st = r->data->get(r->data->user, 0, in, d);
    for (size_t i = 0; st == PPQ_OK && i < n_in; i++)
        r->shapes[i] = in[i].shape;
    if (st == PPQ_OK)
        st = ppq_engine_create(r->g, &o, &r->engine, d);
    for (size_t i = 0; i < n_in; i++)
        ppq_tensor_unref(&in[i]);
    free(in);
    return st;
}

ppq_status ppq_float_run_create(const ppq_graph *g, const ppq_calib_source *data, const bool *shown,
                                int n_threads, ppq_float_run **out, ppq_diag *d)
{
    ppq_float_run *r = calloc(1, sizeof(*r));
    if (!r)
        abort();
    *r = (ppq_float_run){ .g = g, .data = data, .n_threads = n_threads };
    pthread_mutex_init(&r->lock, NULL);
    r->shown = calloc(g->n_vars + 1, sizeof(*r->shown));
    r->shapes = calloc((size_t) g->n_inputs + 1, sizeof(*r->shapes));
    if (!r->shown || !r->shapes)
        abort();
    memcpy(r->shown, shown, g->n_vars * sizeof(*shown));
    const ppq_status st = make_engine(r, d);
    if (st == PPQ_OK)
        *out = r;
    else
        ppq_float_run_destroy(r);
    return st;
}

void ppq_float_run_destroy(ppq_float_run *r)
{
    if (!r)
        return;
    ppq_engine_destroy(r->engine);
    ppq_exec_destroy(r->exec);
    pthread_mutex_destroy(&r->lock);
    free(r->shapes);
    free(r->shown);
    free(r);
}
