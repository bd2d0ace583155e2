#include <math.h>
#include <string.h>

#include "core/ext.h"
#include "passes/channel_groups.h"
#include "passes/rewrite.h"
#include "quantizer/channel_stats.h"

// Cross-layer equalization (after M. Nagel et al., ICCV 2019) over whole groups of tied channels,
// by what rounding is expected to cost.
//
// Where one scale serves all channels, small ones are lost beside large ones. A channel that grows
// to the whole range loses nothing there, but the weights that read it shrink beside those of
// other inputs and are rounded the more. So every group is divided by
//
//   k = a^share / w^(1 - share)
//
// with a the part of its tensors' ranges that it needs and w the part that its weights use of their
// rows' ranges. It needs a multiple of what it was seen to use: a channel that fills the range has
// no room for what few samples do not show. Of a few shares and of leaving all as it is, tensors
// that are tied together take what gives the readers' results the least noise for their signal.

typedef struct options {
    int samples;
    double limit, headroom, gain;
} options;

static const options defaults = { .samples = 4, .limit = 64, .headroom = 1, .gain = 1.1 };
static const ppq_opt opts[] = {
    { "samples", "samples that ranges are taken from", PPQ_OPT_INT, offsetof(options, samples), 1,
      1000000, NULL },
    { "limit", "most a channel grows or shrinks", PPQ_OPT_FLOAT, offsetof(options, limit), 1, 1e6,
      NULL },
    { "headroom", "the range that a channel needs, in those it was seen to use", PPQ_OPT_FLOAT,
      offsetof(options, headroom), 1, 1e6, NULL },
    { "gain", "by how much noise must fall", PPQ_OPT_FLOAT, offsetof(options, gain), 1, 1e6, NULL },
    { 0 },
};

// A layer on integers that reads channels of groups.
typedef struct reader {
    ppq_layer_weight x;
    const int32_t *group;          // [ins]
    const ppq_channel_stat *stats; // [ins]
    float *top;                    // [rows][cols], largest magnitude of the taps
    double *signal;                // [outs], variance of the result, inputs taken as independent
    int32_t set;
} reader;

typedef struct model {
    const ppq_graph *g;
    const ppq_channel_groups *groups;
    size_t n;                 // groups
    int32_t *set;             // [n], groups that share tensors
    ppq_channel_stat **stats; // [n_vars], NULL: not on integers or all pinned
    reader *readers;
    size_t n_readers;
    double *weight;         // [n], noise of the readers' results per noise of the channel
    float *used_a, *used_w; // [n], parts of ranges in use; used_w 0: no weights to care for
} model;

// ---- what is on integers --------------------------------------------------------------------

static bool listed(const char *const *list, const char *type)
{
    for (; *list; list++)
        if (strcmp(*list, type) == 0)
            return true;
    return false;
}

// Whether an int8 op makes or reads `v`, beyond the clamp that a quantizer's range does as well.
static bool on_integers(const ppq_platform *p, const ppq_var *v)
{
    const ppq_op *only = ppq_only_reader(v);
    if (only && only->place == PPQ_PLACE_QUANT && listed(p->fused_activations, only->type))
        return false;
    bool any = v->producer.op && v->producer.op->place == PPQ_PLACE_QUANT;
    for (int32_t i = 0; i < v->n_uses; i++)
        any |= v->uses[i].op->place == PPQ_PLACE_QUANT;
    return any;
}

static ppq_status measure(model *m, const ppq_pass_env *env, int64_t samples, bool *any)
{
    int64_t *channels = ppq_new_n(env->scratch, int64_t, m->g->n_vars + 1);
    for (size_t i = 0; i < m->g->n_vars; i++)
        if (!on_integers(env->platform, m->g->vars[i]) ||
            !ppq_channel_groups_of(m->groups, m->g->vars[i], &channels[i]))
            channels[i] = 0;
        else
            *any = true;
    m->stats = ppq_new_n(env->scratch, ppq_channel_stat *, m->g->n_vars + 1);
    return *any ? ppq_channel_stats(env, samples, channels, m->stats) : PPQ_OK;
}

// ---- sets of groups -------------------------------------------------------------------------

static int32_t first_of(int32_t *set, int32_t i)
{
    while (set[i] != i)
        i = set[i] = set[set[i]];
    return i;
}

static int32_t set_of(const model *m, const int32_t *group, int64_t n)
{
    for (int64_t c = 0; c < n; c++)
        if (group[c] >= 0)
            return m->set[group[c]];
    return -1;
}

static void make_sets(model *m)
{
    for (size_t i = 0; i < m->n; i++)
        m->set[i] = (int32_t) i;
    for (size_t i = 0; i < m->g->n_vars; i++) {
        int64_t n;
        const int32_t *group = ppq_channel_groups_of(m->groups, m->g->vars[i], &n);
        int32_t first = -1;
        for (int64_t c = 0; group && c < n; c++) {
            if (group[c] < 0)
                continue;
            const int32_t s = first_of(m->set, group[c]);
            first = first < 0 ? s : first;
            m->set[PPQ_MAX(s, first)] = PPQ_MIN(s, first);
            first = PPQ_MIN(s, first);
        }
    }
    for (size_t i = 0; i < m->n; i++)
        m->set[i] = first_of(m->set, (int32_t) i);
}

// ---- readers --------------------------------------------------------------------------------

static float largest(const float *x, int64_t n)
{
    float top = 0;
    for (int64_t i = 0; i < n; i++)
        top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    return top;
}

static double energy(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double) x[i] * (double) x[i];
    return sum;
}

// What the magnitudes of weights and the variances of inputs say, filled from the weights.
static void take_weights(const reader *r, const float *w)
{
    for (int64_t row = 0; row < r->x.rows; row++) {
        const ppq_layer_row at = ppq_layer_row_of(&r->x, row);
        for (int64_t col = 0; col < r->x.cols; col++, w += r->x.taps) {
            r->top[row * r->x.cols + col] = largest(w, r->x.taps);
            r->signal[at.out + col * at.out_step] +=
                energy(w, r->x.taps) * r->stats[at.in + col * at.in_step].variance;
        }
    }
}

// The noise of a channel counts by what it adds to the results, each beside its signal.
static void add_weights(model *m, const reader *r, const float *w)
{
    for (int64_t row = 0; row < r->x.rows; row++) {
        const ppq_layer_row at = ppq_layer_row_of(&r->x, row);
        for (int64_t col = 0; col < r->x.cols; col++, w += r->x.taps) {
            const int32_t k = r->group[at.in + col * at.in_step];
            const double signal = r->signal[at.out + col * at.out_step];
            if (k >= 0 && signal > 0)
                m->weight[k] += energy(w, r->x.taps) / signal / (double) r->x.outs;
        }
    }
}

// Inputs that are summed for one result: a depthwise convolution has one, and takes any factor.
static int64_t summed(const ppq_layer_weight *x)
{
    return x->row_is_out ? x->cols : x->rows_per_group;
}

static void add_used_weights(model *m, const reader *r, ppq_arena *a)
{
    float *top = ppq_new_n(a, float, (size_t) r->x.outs);
    for (int fill = 1; fill >= 0 && summed(&r->x) > 1; fill--)
        for (int64_t row = 0; row < r->x.rows; row++) {
            const ppq_layer_row at = ppq_layer_row_of(&r->x, row);
            for (int64_t col = 0; col < r->x.cols; col++) {
                const float w = r->top[row * r->x.cols + col];
                const int32_t k = r->group[at.in + col * at.in_step];
                float *most = &top[at.out + col * at.out_step];
                if (fill)
                    *most = fmaxf(*most, w);
                else if (k >= 0 && *most > 0)
                    m->used_w[k] = fmaxf(m->used_w[k], w / *most);
            }
        }
}

static void add_readers(model *m, ppq_arena *a)
{
    m->readers = ppq_new_n(a, reader, m->g->n_ops + 1);
    for (size_t i = 0; i < m->g->n_ops; i++) {
        const ppq_op *op = m->g->ops[i];
        reader r = { 0 };
        int64_t n;
        if (op->place != PPQ_PLACE_QUANT || !ppq_layer_weight_of(op, &r.x) ||
            !m->stats[op->in[0]->id])
            continue;
        r.group = ppq_channel_groups_of(m->groups, op->in[0], &n);
        r.stats = m->stats[op->in[0]->id];
        r.top = ppq_new_n(a, float, (size_t) (r.x.rows * r.x.cols));
        r.signal = ppq_new_n(a, double, (size_t) r.x.outs);
        r.set = set_of(m, r.group, n);
        take_weights(&r, ppq_f32(&op->in[1]->value));
        add_weights(m, &r, ppq_f32(&op->in[1]->value));
        add_used_weights(m, &r, a);
        m->readers[m->n_readers++] = r;
    }
}

static void add_used_activations(model *m)
{
    for (size_t i = 0; i < m->g->n_vars; i++) {
        int64_t n;
        const int32_t *group = ppq_channel_groups_of(m->groups, m->g->vars[i], &n);
        const ppq_channel_stat *s = m->stats[i];
        float top = 0;
        for (int64_t c = 0; s && c < n; c++)
            top = fmaxf(top, fmaxf(-s[c].lo, s[c].hi));
        for (int64_t c = 0; top > 0 && c < n; c++)
            if (group[c] >= 0)
                m->used_a[group[c]] = fmaxf(m->used_a[group[c]], fmaxf(-s[c].lo, s[c].hi) / top);
    }
}

// ---- noise ----------------------------------------------------------------------------------

static double k_of(const int32_t *group, int64_t channel, const float *k)
{
    return group[channel] < 0 ? 1 : (double) k[group[channel]];
}

// Rounding one integer tensor, in its readers' results.
static double tensor_noise(const model *m, const ppq_channel_stat *s, const int32_t *group,
                           int64_t n, const float *k)
{
    double lo = 0, hi = 0, sum = 0;
    for (int64_t c = 0; c < n; c++) {
        const double by = k_of(group, c, k);
        lo = fmin(lo, (double) s[c].lo / by);
        hi = fmax(hi, (double) s[c].hi / by);
        sum += group[c] < 0 ? 0 : m->weight[group[c]] * by * by;
    }
    const double step = (hi - lo) / 255;
    return step * step / 12 * sum;
}

// Factors of one layer's inputs and sums over its results, for weight_noise.
typedef struct room {
    double *by, *spread;   // [ins], the factor; the input's variance behind it
    double *peak, *behind; // [outs], the largest weight; all its inputs' variances
} room;

// Rounding the weights of one layer.
static double weight_noise(const reader *r, const float *k, const room *t)
{
    const ppq_layer_weight *x = &r->x;
    for (int64_t c = 0; c < x->ins; c++) {
        t->by[c] = k_of(r->group, c, k);
        t->spread[c] = r->stats[c].variance / (t->by[c] * t->by[c]);
    }
    for (int64_t o = 0; o < x->outs; o++)
        t->peak[o] = t->behind[o] = 0;
    for (int64_t row = 0; row < x->rows; row++) {
        const ppq_layer_row at = ppq_layer_row_of(x, row);
        const float *top = r->top + row * x->cols;
        for (int64_t col = 0; col < x->cols; col++) {
            const int64_t in = at.in + col * at.in_step, out = at.out + col * at.out_step;
            const double w = (double) top[col] * t->by[in];
            t->peak[out] = w > t->peak[out] ? w : t->peak[out];
            t->behind[out] += t->spread[in];
        }
    }
    double sum = 0;
    for (int64_t o = 0; o < x->outs; o++)
        if (r->signal[o] > 0)
            sum += t->peak[o] * t->peak[o] / (127.0 * 127 * 12) * t->behind[o] / r->signal[o];
    return sum * (double) x->taps / (double) x->outs;
}

static room make_room(const model *m, ppq_arena *a)
{
    int64_t ins = 1, outs = 1;
    for (size_t i = 0; i < m->n_readers; i++) {
        ins = PPQ_MAX(ins, m->readers[i].x.ins);
        outs = PPQ_MAX(outs, m->readers[i].x.outs);
    }
    return (room){ ppq_new_n(a, double, (size_t) ins), ppq_new_n(a, double, (size_t) ins),
                   ppq_new_n(a, double, (size_t) outs), ppq_new_n(a, double, (size_t) outs) };
}

// Noise for signal, by set.
static void noise(const model *m, const float *k, const room *t, double *by_set)
{
    memset(by_set, 0, m->n * sizeof(*by_set));
    for (size_t i = 0; i < m->g->n_vars; i++) {
        int64_t n;
        const int32_t *group = ppq_channel_groups_of(m->groups, m->g->vars[i], &n);
        if (m->stats[i])
            by_set[set_of(m, group, n)] += tensor_noise(m, m->stats[i], group, n, k);
    }
    for (size_t i = 0; i < m->n_readers; i++)
        by_set[m->readers[i].set] += weight_noise(&m->readers[i], k, t);
}

// ---- deciding -------------------------------------------------------------------------------

static float factor(const options *o, double share, float activations, float weights)
{
    if (!(activations > 0))
        return 1;
    const double a = fmin(o->headroom * (double) activations, 1);
    const double k = weights > 0 ? pow(a, share) / pow((double) weights, 1 - share) : a;
    return (float) fmin(fmax(k, 1 / o->limit), o->limit);
}

static void choose(const model *m, const options *o, ppq_arena *a, float *best)
{
    static const double shares[] = { 0.3, 0.5, 0.7, 1 };
    const room t = make_room(m, a);
    float *k = ppq_new_n(a, float, m->n);
    double *least = ppq_new_n(a, double, m->n), *now = ppq_new_n(a, double, m->n);
    for (size_t i = 0; i < m->n; i++)
        best[i] = 1;
    noise(m, best, &t, least);
    for (size_t i = 0; i < m->n; i++)
        least[i] /= o->gain;
    for (size_t s = 0; s < PPQ_COUNT(shares); s++) {
        for (size_t i = 0; i < m->n; i++)
            k[i] = factor(o, shares[s], m->used_a[i], m->used_w[i]);
        noise(m, k, &t, now);
        for (size_t i = 0; i < m->n; i++)
            if (now[m->set[i]] < least[m->set[i]])
                best[i] = k[i];
        for (size_t i = 0; i < m->n; i++)
            least[i] = fmin(least[i], now[i]);
    }
}

static ppq_status equalize(const ppq_pass_env *env, const ppq_channel_groups *groups,
                           const options *o)
{
    const size_t n = (size_t) ppq_channel_groups_count(groups);
    ppq_arena *a = env->scratch;
    model m = { .g = env->graph,
                .groups = groups,
                .n = n,
                .set = ppq_new_n(a, int32_t, n + 1),
                .weight = ppq_new_n(a, double, n + 1),
                .used_a = ppq_new_n(a, float, n + 1),
                .used_w = ppq_new_n(a, float, n + 1) };
    bool any = false;
    PPQ_TRY(measure(&m, env, o->samples, &any));
    if (!any)
        return PPQ_OK;
    make_sets(&m);
    add_readers(&m, a);
    add_used_activations(&m);
    float *k = ppq_new_n(a, float, n);
    choose(&m, o, a, k);
    return ppq_channel_groups_divide(groups, env->graph, k);
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    ppq_channel_groups *groups;
    PPQ_TRY(ppq_channel_groups_create(env->graph, &groups, env->diag));
    const ppq_status st = env->data ? equalize(env, groups, params) : PPQ_OK;
    ppq_channel_groups_destroy(groups);
    return st;
}

const ppq_pass ppq_pass_equalize = {
    .name = "equalize",
    .summary = "give channels that share a scale similar ranges",
    .needs = PPQ_FACT_SHAPES | PPQ_FACT_PLACED,
    .needs_data = true,
    .opts = opts,
    .defaults = &defaults,
    .params_size = sizeof(defaults),
    .run = run,
};
