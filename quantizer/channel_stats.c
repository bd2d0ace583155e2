#include "quantizer/channel_stats.h"

#include <string.h>

#include "quantizer/float_run.h"

// One sample's part.
typedef struct part {
    float lo, hi;
    double sum, squares;
} part;

typedef struct stats {
    const int64_t *channels;
    int64_t samples;
    part **parts;    // [n_vars][samples][channels]
    int64_t **count; // [n_vars][samples], values per channel
} stats;

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
    (void) worker;
    const stats *s = user;
    const int64_t channels = s->channels[v->id], n = ppq_shape_numel(&value->shape);
    if (value->dtype != PPQ_DT_F32 || value->shape.rank < 2 || value->shape.dim[1] != channels ||
        n < 1)
        return PPQ_OK;
    part *p = s->parts[v->id] + sample * channels;
    const float *x = ppq_f32(value);
    const int64_t each = n / channels, inner = each / value->shape.dim[0];
    s->count[v->id][sample] = each;
    if (value->layout == PPQ_LAYOUT_CHANNELS_LAST || inner == 1)
        for (int64_t i = 0; i < each; i++)
            add_pixel(x + i * channels, channels, p);
    else
        for (int64_t i = 0; i < n / inner; i++)
            add_row(x + i * inner, inner, &p[i % channels]);
    return PPQ_OK;
}

static ppq_channel_stat merge(const stats *s, size_t id, int64_t channel)
{
    ppq_channel_stat r = { 0 };
    double sum = 0, squares = 0, n = 0;
    for (int64_t k = 0; k < s->samples; k++) {
        const part *p = &s->parts[id][k * s->channels[id] + channel];
        r.lo = p->lo < r.lo ? p->lo : r.lo;
        r.hi = p->hi > r.hi ? p->hi : r.hi;
        sum += p->sum;
        squares += p->squares;
        n += (double) s->count[id][k];
    }
    if (n > 0)
        r.variance = PPQ_MAX(squares / n - sum / n * (sum / n), 0);
    return r;
}

ppq_status ppq_channel_stats(const ppq_pass_env *env, int64_t samples, const int64_t *channels,
                             ppq_channel_stat **out)
{
    const ppq_graph *g = env->graph;
    ppq_arena *a = env->scratch;
    bool *shown = ppq_new_n(a, bool, g->n_vars + 1);
    stats s = { .channels = channels,
                .samples = PPQ_MIN(samples, env->data->n_samples),
                .parts = ppq_new_n(a, part *, g->n_vars + 1),
                .count = ppq_new_n(a, int64_t *, g->n_vars + 1) };
    for (size_t i = 0; i < g->n_vars; i++) {
        if (!channels[i])
            continue;
        shown[i] = true;
        s.parts[i] = ppq_new_n(a, part, (size_t) (channels[i] * s.samples) + 1);
        s.count[i] = ppq_new_n(a, int64_t, (size_t) s.samples + 1);
        out[i] = ppq_new_n(a, ppq_channel_stat, (size_t) channels[i]);
    }
    ppq_float_run *run;
    PPQ_TRY(ppq_float_run_create(g, env->data, shown, env->n_threads, &run, env->diag));
    const ppq_status st = ppq_float_run_samples(run, s.samples, see, &s, NULL, env->diag);
    ppq_float_run_destroy(run);
    for (size_t i = 0; st == PPQ_OK && i < g->n_vars; i++)
        for (int64_t c = 0; c < channels[i]; c++)
            out[i][c] = merge(&s, i, c);
    return st;
}
