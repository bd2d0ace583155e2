#include <math.h>
#include <string.h>

#include "core/ext.h"
#include "core/parallel.h"
#include "passes/channel_groups.h"
#include "passes/rewrite.h"
#include "quantizer/channel_stats.h"

// Cross-layer equalization (after M. Nagel et al., ICCV 2019) over whole groups of tied channels,
// by what rounding is expected to cost.
//
// Where one scale serves all channels, small ones are lost beside large ones. Dividing a group by
// k < 1 makes it grow within the range that its tensors have anyway: rounding them then costs it
// k^2 of what it did. The weights that read it shrink in turn beside those of other inputs, and
// rounding those costs 1 / k^2 of what it did. So a group's noise in its readers' results is
//
//   noise(k) = a k^2 + b / k^2,    least at k = (b / a)^(1/4).
//
// k stays where neither scale grows. It is at least the part of the range that the group needs: no
// channel reaches the end of a range that it did not reach before, and the few samples that were
// seen do not show all that a channel can reach. It is at most what makes its weights the largest
// of a result. Within these bounds a group's choice costs no other group anything. The scales of
// weights fall when the inputs with the largest ones grow; a few rounds take that in, and each
// lowers the noise.

typedef struct options {
    int samples;
    double limit;
} options;

static const options defaults = { .samples = 8, .limit = 64 };
static const ppq_opt opts[] = {
    { "samples", "samples that ranges are taken from", PPQ_OPT_INT, offsetof(options, samples), 1,
      1000000, NULL },
    { "limit", "most a channel grows or shrinks", PPQ_OPT_FLOAT, offsetof(options, limit), 1, 1e6,
      NULL },
    { 0 },
};

enum { ROUNDS = 4 };

// A layer on integers that reads channels of groups, and what its inputs say of theirs.
typedef struct reader {
    ppq_layer_weight x;
    const float *w;
    const int32_t *group;          // [ins]
    const ppq_channel_stat *input; // [ins]
    float *k;                      // [ins]
    float *top;                    // [rows][cols], largest magnitude of the taps
    double *signal;                // [outs], variance of the result, inputs taken as independent
    float *peak, *per_peak;        // [outs], largest weight; its reciprocal
    float *used;                   // [ins], largest part of a peak
    double *gain;                  // [ins], noise of the results for noise of the input
    double *rounding;              // [ins], noise of the results by rounding the input's weights
} reader;

typedef struct model {
    const ppq_graph *g;
    const ppq_channel_groups *groups;
    int n_threads;
    size_t n;                 // groups
    ppq_channel_stats *stats; // [n_vars]; empty: not on integers, or all pinned
    reader *readers;
    size_t n_readers;
    double *gain;  // [n]
    double *a, *b; // [n]
    float *need;   // [n], part of the range of activations
    float *used;   // [n], part of the range of weights; 0: no weights to care for
    float *k;      // [n]
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
    m->stats = ppq_new_n(env->scratch, ppq_channel_stats, m->g->n_vars + 1);
    return *any ? ppq_channel_stats_measure(env, samples, channels, m->stats) : PPQ_OK;
}

// ---- readers --------------------------------------------------------------------------------

static void add_readers(model *m, ppq_arena *a)
{
    m->readers = ppq_new_n(a, reader, m->g->n_ops + 1);
    for (size_t i = 0; i < m->g->n_ops; i++) {
        const ppq_op *op = m->g->ops[i];
        ppq_layer_weight x;
        if (op->place != PPQ_PLACE_QUANT || !ppq_layer_weight_of(op, &x) ||
            !m->stats[op->in[0]->id].channel)
            continue;
        int64_t n;
        m->readers[m->n_readers++] =
            (reader){ .x = x,
                      .w = ppq_f32(&op->in[1]->value),
                      .group = ppq_channel_groups_of(m->groups, op->in[0], &n),
                      .input = m->stats[op->in[0]->id].channel,
                      .k = ppq_new_n(a, float, (size_t) x.ins),
                      .top = ppq_new_n(a, float, (size_t) (x.rows * x.cols)),
                      .signal = ppq_new_n(a, double, (size_t) x.outs),
                      .peak = ppq_new_n(a, float, (size_t) x.outs),
                      .per_peak = ppq_new_n(a, float, (size_t) x.outs),
                      .used = ppq_new_n(a, float, (size_t) x.ins),
                      .gain = ppq_new_n(a, double, (size_t) x.ins),
                      .rounding = ppq_new_n(a, double, (size_t) x.ins) };
    }
}

static double energy(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double) x[i] * (double) x[i];
    return sum;
}

static float largest(const float *x, int64_t n)
{
    float top = 0;
    for (int64_t i = 0; i < n; i++)
        top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    return top;
}

// What the magnitudes of weights and the variances of inputs say.
static void take_weights(reader *r)
{
    const float *w = r->w;
    for (int64_t row = 0; row < r->x.rows; row++) {
        const ppq_layer_row at = ppq_layer_row_of(&r->x, row);
        for (int64_t col = 0; col < r->x.cols; col++, w += r->x.taps) {
            r->top[row * r->x.cols + col] = largest(w, r->x.taps);
            r->signal[at.out + col * at.out_step] +=
                energy(w, r->x.taps) * r->input[at.in + col * at.in_step].variance;
        }
    }
}

// Noise counts by what it adds to each result beside its signal.
static void find_gain(void *user, int64_t i, int worker)
{
    (void) worker;
    reader *r = &((const model *) user)->readers[i];
    take_weights(r);
    const float *w = r->w;
    for (int64_t row = 0; row < r->x.rows; row++) {
        const ppq_layer_row at = ppq_layer_row_of(&r->x, row);
        for (int64_t col = 0; col < r->x.cols; col++, w += r->x.taps) {
            const double signal = r->signal[at.out + col * at.out_step];
            if (signal > 0)
                r->gain[at.in + col * at.in_step] +=
                    energy(w, r->x.taps) / signal / (double) r->x.outs;
        }
    }
}

// Inputs that are summed for one result: a depthwise convolution has one, and takes any factor.
static int64_t summed(const ppq_layer_weight *x)
{
    return x->row_is_out ? x->cols : x->rows_per_group;
}

// The largest of n products.
PPQ_CLONES
static float largest_product(const float *restrict x, const float *restrict y, int64_t n)
{
    enum { K = 16 };
    float top[K] = { 0 };
    int64_t i = 0;
    for (; i + K <= n; i += K)
        for (int k = 0; k < K; k++)
            top[k] = x[i + k] * y[i + k] > top[k] ? x[i + k] * y[i + k] : top[k];
    for (; i < n; i++)
        top[0] = fmaxf(top[0], x[i] * y[i]);
    return largest(top, K);
}

// Raises every number of `to` to x * by.
PPQ_CLONES
static void raise_to(float *restrict to, const float *restrict x, float by, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = x[i] * by > to[i] ? x[i] * by : to[i];
}

static void find_peaks(reader *r)
{
    const int64_t n = r->x.cols;
    memset(r->peak, 0, (size_t) r->x.outs * sizeof(*r->peak));
    for (int64_t row = 0; row < r->x.rows; row++) {
        const ppq_layer_row at = ppq_layer_row_of(&r->x, row);
        const float *top = r->top + row * n;
        if (r->x.row_is_out)
            r->peak[at.out] = largest_product(top, r->k + at.in, n);
        else
            raise_to(r->peak + at.out, top, r->k[at.in], n);
    }
}

static void find_used(reader *r)
{
    const int64_t n = r->x.cols;
    for (int64_t o = 0; o < r->x.outs; o++)
        r->per_peak[o] = r->peak[o] > 0 ? 1 / r->peak[o] : 0;
    memset(r->used, 0, (size_t) r->x.ins * sizeof(*r->used));
    for (int64_t row = 0; row < r->x.rows; row++) {
        const ppq_layer_row at = ppq_layer_row_of(&r->x, row);
        const float *top = r->top + row * n;
        if (r->x.row_is_out)
            raise_to(r->used + at.in, top, r->per_peak[at.out], n);
        else
            r->used[at.in] = largest_product(top, r->per_peak + at.out, n);
    }
}

// Rounding every input's weights, with the scales that results have by now. Inputs of the same
// results differ by their variances only.
static void find_noise(reader *r)
{
    const ppq_layer_weight *x = &r->x;
    const int64_t groups = x->rows / x->rows_per_group;
    const int64_t ins = x->ins / groups, outs = x->outs / groups;
    for (int64_t g = 0; g < groups; g++) {
        double sum = 0;
        for (int64_t o = g * outs; o < (g + 1) * outs; o++)
            if (r->signal[o] > 0)
                sum += (double) r->peak[o] * (double) r->peak[o] / r->signal[o];
        for (int64_t c = g * ins; c < (g + 1) * ins; c++)
            r->rounding[c] = sum * r->input[c].variance * (double) x->taps /
                             (127.0 * 127 * 12 * (double) x->outs);
    }
}

static void look_at_weights(void *user, int64_t i, int worker)
{
    (void) worker;
    const model *m = user;
    reader *r = &m->readers[i];
    if (summed(&r->x) == 1)
        return;
    for (int64_t c = 0; c < r->x.ins; c++)
        r->k[c] = r->group[c] < 0 ? 1 : m->k[r->group[c]];
    find_peaks(r);
    find_used(r);
    find_noise(r);
}

// ---- groups ---------------------------------------------------------------------------------

static void add_gains(model *m)
{
    for (size_t i = 0; i < m->n_readers; i++) {
        const reader *r = &m->readers[i];
        for (int64_t c = 0; c < r->x.ins; c++)
            if (r->group[c] >= 0)
                m->gain[r->group[c]] += r->gain[c];
    }
}

static void add_rounding(model *m)
{
    memset(m->b, 0, m->n * sizeof(*m->b));
    memset(m->used, 0, m->n * sizeof(*m->used));
    for (size_t i = 0; i < m->n_readers; i++) {
        const reader *r = &m->readers[i];
        for (int64_t c = 0; c < r->x.ins; c++) {
            const int32_t g = r->group[c];
            if (g < 0)
                continue;
            m->b[g] += r->rounding[c];
            m->used[g] = fmaxf(m->used[g], r->used[c]);
        }
    }
}

// The part that a channel with this end needs of a range with that one.
static float part_of(float end, float of)
{
    return end <= 0 ? 0 : of <= 0 ? 1 : fminf(end / of, 1);
}

static void add_tensors(model *m)
{
    for (size_t i = 0; i < m->g->n_vars; i++) {
        int64_t n;
        const int32_t *group = ppq_channel_groups_of(m->groups, m->g->vars[i], &n);
        const ppq_channel_stats *s = &m->stats[i];
        const double step = ((double) s->hi - (double) s->lo) / 255;
        for (int64_t c = 0; s->channel && c < n; c++) {
            const int32_t g = group[c];
            if (g < 0)
                continue;
            m->a[g] += step * step / 12 * m->gain[g];
            m->need[g] = fmaxf(m->need[g], part_of(-s->channel[c].lo, -s->lo));
            m->need[g] = fmaxf(m->need[g], part_of(s->channel[c].hi, s->hi));
        }
    }
}

// ---- deciding -------------------------------------------------------------------------------

// A group that no sample shows may need anything.
static float factor(const options *o, double a, double b, float need, float used)
{
    if (!(a > 0 && need > 0))
        return 1;
    const double least = fmax((double) need, 1 / o->limit);
    const double most = used > 0 ? fmin(1 / (double) used, o->limit) : 1;
    return (float) fmax(fmin(sqrt(sqrt(b / a)), most), least);
}

static void choose(model *m, const options *o)
{
    for (size_t i = 0; i < m->n; i++)
        m->k[i] = 1;
    for (int round = 0; round < ROUNDS; round++) {
        ppq_parallel_for(m->n_threads, (int64_t) m->n_readers, look_at_weights, m);
        add_rounding(m);
        for (size_t i = 0; i < m->n; i++)
            m->k[i] = factor(o, m->a[i], m->b[i], m->need[i], m->used[i]);
    }
}

static ppq_status equalize(const ppq_pass_env *env, const ppq_channel_groups *groups,
                           const options *o)
{
    const size_t n = (size_t) ppq_channel_groups_count(groups);
    ppq_arena *a = env->scratch;
    model m = { .g = env->graph,
                .groups = groups,
                .n_threads = env->n_threads,
                .n = n,
                .gain = ppq_new_n(a, double, n + 1),
                .a = ppq_new_n(a, double, n + 1),
                .b = ppq_new_n(a, double, n + 1),
                .need = ppq_new_n(a, float, n + 1),
                .used = ppq_new_n(a, float, n + 1),
                .k = ppq_new_n(a, float, n + 1) };
    bool any = false;
    PPQ_TRY(measure(&m, env, o->samples, &any));
    if (!any)
        return PPQ_OK;
    add_readers(&m, a);
    ppq_parallel_for(m.n_threads, (int64_t) m.n_readers, find_gain, &m);
    add_gains(&m);
    add_tensors(&m);
    choose(&m, o);
    return ppq_channel_groups_divide(groups, env->graph, m.k);
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
