#include "quantizer/channel_stats.h"

#include <math.h>
#include <string.h>

#include "core/settings.h"
#include "quantizer/float_run.h"
#include "quantizer/init.h"
#include "quantizer/stats.h"

// One sample's part.
typedef struct part {
    float lo, hi;
    double sum, squares;
} part;

typedef struct measurement {
    const int64_t *channels;
    int64_t samples;
    part **parts;                // [n_vars][samples][channels]
    int64_t **count;             // [n_vars][samples], values per channel
    ppq_stats **all;             // [n_vars], of all channels together
    ppq_stats_scratch **scratch; // [n_threads]
} measurement;

// ---- samples --------------------------------------------------------------------------------

PPQ_CLONES
static void add_row(const float *restrict x, int64_t n, part *restrict p)
{
    enum { K = 16 };
    float lo[K] = { p->lo }, hi[K] = { p->hi };
    double sum[K] = { 0 }, squares[K] = { 0 };
    for (int64_t i = 0; i < n; i += K) {
        const int m = (int) PPQ_MIN(n - i, K);
        for (int k = 0; k < m; k++) {
            const float v = x[i + k];
            lo[k] = v < lo[k] ? v : lo[k];
            hi[k] = v > hi[k] ? v : hi[k];
            sum[k] += (double) v;
            squares[k] += (double) v * (double) v;
        }
    }
    for (int k = 0; k < K; k++) {
        p->lo = lo[k] < p->lo ? lo[k] : p->lo;
        p->hi = hi[k] > p->hi ? hi[k] : p->hi;
        p->sum += sum[k];
        p->squares += squares[k];
    }
}

PPQ_CLONES
static void add_pixel(const float *restrict x, int64_t n, part *restrict p)
{
    for (int64_t c = 0; c < n; c++) {
        p[c].lo = x[c] < p[c].lo ? x[c] : p[c].lo;
        p[c].hi = x[c] > p[c].hi ? x[c] : p[c].hi;
        p[c].sum += (double) x[c];
        p[c].squares += (double) x[c] * (double) x[c];
    }
}

static ppq_status see(void *user, int64_t sample, int worker, const ppq_var *v,
                      const ppq_tensor *value)
{
    const measurement *m = user;
    const int64_t channels = m->channels[v->id], n = ppq_shape_numel(&value->shape);
    if (value->dtype != PPQ_DT_F32 || value->shape.rank < 2 || value->shape.dim[1] != channels ||
        n < 1)
        return PPQ_OK;
    part *p = m->parts[v->id] + sample * channels;
    const float *x = ppq_f32(value);
    const int64_t each = n / channels, inner = each / value->shape.dim[0];
    m->count[v->id][sample] = each;
    if (value->layout == PPQ_LAYOUT_CHANNELS_LAST || inner == 1)
        for (int64_t i = 0; i < each; i++)
            add_pixel(x + i * channels, channels, p);
    else
        for (int64_t i = 0; i < n / inner; i++)
            add_row(x + i * inner, inner, &p[i % channels]);
    ppq_stats_observe(m->all[v->id], x, n, m->scratch[worker]);
    return PPQ_OK;
}

// ---- all together ---------------------------------------------------------------------------

// By how much a channel may reach beyond what was seen: the ranges of samples differ by so much of
// their mean. One sample says nothing of that: it may be twice as far.
static double room_of(int64_t n, double sum, double squares)
{
    if (n < 2 || !(sum > 0))
        return 2;
    const double mean = sum / (double) n;
    const double variance = (squares - sum * mean) / (double) (n - 1);
    return 1 + sqrt(PPQ_MAX(variance, 0)) / mean;
}

static ppq_channel_stat merge(const measurement *m, size_t id, int64_t channel)
{
    ppq_channel_stat r = { 0 };
    double sum = 0, squares = 0, n = 0, ends = 0, ends2 = 0;
    for (int64_t k = 0; k < m->samples; k++) {
        const part *p = &m->parts[id][k * m->channels[id] + channel];
        const double end = (double) PPQ_MAX(-p->lo, p->hi);
        r.lo = PPQ_MIN(r.lo, p->lo);
        r.hi = PPQ_MAX(r.hi, p->hi);
        ends += end;
        ends2 += end * end;
        sum += p->sum;
        squares += p->squares;
        n += (double) m->count[id][k];
    }
    if (n > 0)
        r.variance = PPQ_MAX(squares / n - sum / n * (sum / n), 0);
    const float room = (float) room_of(m->samples, ends, ends2);
    r.lo *= room;
    r.hi *= room;
    return r;
}

static const ppq_observer *observer_of(const ppq_pass_env *env)
{
    const char *asked = env->settings ? env->settings->method : NULL;
    return ppq_observer_find(asked ? asked : env->platform->observer);
}

static ppq_status finish(const measurement *m, const ppq_pass_env *env, ppq_channel_stats *out)
{
    const ppq_qfmt *fmt = env->platform->activation;
    for (size_t i = 0; i < env->graph->n_vars; i++) {
        const ppq_range r = m->all[i] ? ppq_stats_range(m->all[i]) : (ppq_range){ 0 };
        float scale, offset;
        // Calibration will refuse what is not finite, by name.
        if (!r.count || r.nonfinite)
            continue;
        PPQ_TRY(observer_of(env)->render(m->all[i], fmt, &scale, &offset, env->diag));
        out[i].lo = ((float) fmt->qmin - offset) * scale;
        out[i].hi = ((float) fmt->qmax - offset) * scale;
        out[i].channel = ppq_new_n(env->scratch, ppq_channel_stat, (size_t) m->channels[i]);
        for (int64_t c = 0; c < m->channels[i]; c++)
            out[i].channel[c] = merge(m, i, c);
    }
    return PPQ_OK;
}

static ppq_status run_samples(measurement *m, const ppq_pass_env *env, const bool *shown)
{
    ppq_float_run *run;
    PPQ_TRY(ppq_float_run_create(env->graph, env->data, shown, env->n_threads, &run, env->diag));
    const ppq_status st = ppq_float_run_samples(run, m->samples, see, m, NULL, env->diag);
    ppq_float_run_destroy(run);
    return st;
}

ppq_status ppq_channel_stats_measure(const ppq_pass_env *env, int64_t samples,
                                     const int64_t *channels, ppq_channel_stats *out)
{
    const ppq_graph *g = env->graph;
    ppq_arena *a = env->scratch;
    const size_t threads = (size_t) env->n_threads;
    bool *shown = ppq_new_n(a, bool, g->n_vars + 1);
    measurement m = { .channels = channels,
                      .samples = PPQ_MIN(samples, env->data->n_samples),
                      .parts = ppq_new_n(a, part *, g->n_vars + 1),
                      .count = ppq_new_n(a, int64_t *, g->n_vars + 1),
                      .all = ppq_new_n(a, ppq_stats *, g->n_vars + 1),
                      .scratch = ppq_new_n(a, ppq_stats_scratch *, threads) };
    for (size_t i = 0; i < g->n_vars; i++) {
        if (!channels[i])
            continue;
        shown[i] = true;
        m.parts[i] = ppq_new_n(a, part, (size_t) (channels[i] * m.samples) + 1);
        m.count[i] = ppq_new_n(a, int64_t, (size_t) m.samples + 1);
        m.all[i] = ppq_stats_create(observer_of(env)->histogram);
    }
    for (size_t i = 0; i < threads; i++)
        m.scratch[i] = ppq_stats_scratch_create();
    ppq_status st = run_samples(&m, env, shown);
    if (st == PPQ_OK)
        st = finish(&m, env, out);
    for (size_t i = 0; i < threads; i++)
        ppq_stats_scratch_destroy(m.scratch[i]);
    for (size_t i = 0; i < g->n_vars; i++)
        ppq_stats_destroy(m.all[i]);
    return st;
}
