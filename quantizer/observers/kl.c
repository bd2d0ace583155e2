#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quantizer/stats.h"

// The clipping range whose quantized distribution is nearest to the data's in Kullback-Leibler
// divergence (S. Migacz, "8-bit inference with TensorRT", GTC 2017). Symmetric formats search the
// histogram of |x|; asymmetric ones clip both ends at the same magnitude.

enum { BINS = 4096, STEPS = 32 };

// Divergence of the first `len` bins, tail added to the last, from themselves merged into
// `levels` groups. p and q are scratch of `len`.
static double divergence(const double *hist, size_t len, double tail, size_t levels, double *p,
                         double *q)
{
    double total = tail;
    memcpy(p, hist, len * sizeof(*p));
    p[len - 1] += tail;
    for (size_t i = 0; i < len; i++)
        total += hist[i];
    if (!(total > 0))
        return 0;
    double q_total = 0;
    for (size_t l = 0; l < levels; l++) {
        const size_t a = l * len / levels, b = (l + 1) * len / levels;
        double sum = 0;
        size_t used = 0;
        for (size_t i = a; i < b; i++) {
            sum += hist[i];
            used += hist[i] > 0;
        }
        for (size_t i = a; i < b; i++)
            q[i] = hist[i] > 0 ? sum / (double) used : 0;
        q_total += sum;
    }
    double kl = 0;
    for (size_t i = 0; i < len; i++)
        if (p[i] > 0) {
            const double pi = p[i] / total, qi = q_total > 0 ? q[i] / q_total : 0;
            kl += pi * log((pi + 1e-30) / (qi + 1e-30));
        }
    return kl;
}

// ---- which candidates are worth that --------------------------------------------------------

// The divergence of a candidate follows, but for rounding, from sums over the groups alone. Sums up
// to every bin give those in one step each, so that all candidates are estimated first and only
// those that rounding could make the least are computed as defined: the choice is the same.
typedef struct sums {
    double weight[BINS + 1], entropy[BINS + 1]; // of bins [0, i): of h and of h log h
    uint32_t used[BINS + 1];                    // bins above zero
} sums;

// How far an estimate may be off: thousands of roundings of numbers below 100.
#define SLACK 1e-9

static double entropy_of(double h)
{
    return h > 0 ? h * log(h) : 0;
}

static void sums_init(sums *s, const double *hist)
{
    s->weight[0] = s->entropy[0] = 0;
    s->used[0] = 0;
    for (size_t i = 0; i < BINS; i++) {
        s->weight[i + 1] = s->weight[i] + hist[i];
        s->entropy[i + 1] = s->entropy[i] + entropy_of(hist[i]);
        s->used[i + 1] = s->used[i] + (hist[i] > 0);
    }
}

// A candidate: bins [a, b), with what lies outside added to the first and the last.
typedef struct candidate {
    size_t a, b;
    double low, tail;
    bool rough;  // the tail is a difference of sums
    double clip; // the magnitude it stands for
} candidate;

// One group's part: the weight it has times the logarithm of the share its bins are given.
static double group_part(double weight, double sum, size_t used, double all)
{
    return used && sum > 0 ? weight * log(sum / ((double) used * all) + 1e-30) : 0;
}

static double estimate(const sums *s, const double *hist, const candidate *c, size_t levels)
{
    const size_t len = c->b - c->a;
    const double all = s->weight[c->b] - s->weight[c->a] + c->low, total = all + c->tail;
    if (!(total > 0))
        return 0;
    const double first = hist[c->a] + c->low, last = len > 1 ? hist[c->b - 1] : first;
    double kl = s->entropy[c->b] - s->entropy[c->a];
    kl += entropy_of(first) - entropy_of(hist[c->a]);
    kl += entropy_of(last + c->tail) - entropy_of(last) - total * log(total);
    size_t from = c->a;
    for (size_t l = 0; l + 1 < levels; l++) {
        const size_t to = c->a + (l + 1) * len / levels;
        double sum = s->weight[to] - s->weight[from];
        size_t used = s->used[to] - s->used[from];
        if (from == c->a && to > from) {
            sum += c->low;
            used += c->low > 0 && !(hist[from] > 0);
        }
        kl -= group_part(sum, sum, used, all);
        from = to;
    }
    // The tail makes much of the last group's sum: added up by itself, that is exact enough.
    double sum = from == c->a ? c->low : 0;
    size_t used = from == c->a && c->low > 0 && !(hist[from] > 0);
    for (size_t i = from; i < c->b; i++) {
        sum += hist[i];
        used += hist[i] > 0;
    }
    const bool shared = last > 0; // the tail lands on a bin that gets a share
    kl -= group_part(sum + (shared ? c->tail : 0), sum, used, all);
    if (!shared)
        kl -= c->tail * log(1e-30);
    return kl / total;
}

typedef struct search {
    double hist[BINS], first[BINS], p[BINS], q[BINS]; // first: of the candidate, its own first bin
    sums sums;
    candidate c[STEPS];
    size_t n;
} search;

static double exact(search *s, const candidate *c, size_t levels)
{
    const size_t len = c->b - c->a;
    double tail = c->rough ? 0 : c->tail;
    for (size_t i = c->b; c->rough && i < BINS; i++)
        tail += s->hist[i];
    memcpy(s->first, s->hist + c->a, len * sizeof(*s->first));
    s->first[0] += c->low;
    return divergence(s->first, len, tail, levels, s->p, s->q);
}

// The clip of the candidate that diverges least, the first of equals.
static double least_divergent(search *s, size_t levels, double otherwise)
{
    double e[STEPS], least = HUGE_VAL;
    size_t close = 0, at = 0;
    for (size_t k = 0; k < s->n; k++) {
        e[k] = estimate(&s->sums, s->hist, &s->c[k], levels);
        least = e[k] < least ? e[k] : least;
    }
    for (size_t k = 0; k < s->n; k++)
        if (!(e[k] > least + 2 * SLACK)) {
            close++;
            at = k;
        }
    if (close == 1)
        return s->c[at].clip;
    double best = HUGE_VAL, clip = otherwise;
    for (size_t k = 0; k < s->n; k++) {
        if (e[k] > least + 2 * SLACK)
            continue;
        const double kl = exact(s, &s->c[k], levels);
        if (kl < best) {
            best = kl;
            clip = s->c[k].clip;
        }
    }
    return clip;
}

// ---- the candidates -------------------------------------------------------------------------

// Bins near zero say nothing about where to clip: a spike there would dominate.
static void flatten_zero(double *hist, size_t zero, size_t reach)
{
    for (size_t i = zero > reach ? zero - reach : 0; i < zero + reach && i < BINS; i++)
        hist[i] = 0;
    if (zero + reach < BINS)
        hist[zero + reach] = PPQ_MAX(hist[zero + reach], 1);
}

static search *search_create(void)
{
    search *s = malloc(sizeof(*s));
    if (!s)
        abort();
    s->n = 0;
    return s;
}

static double clip_symmetric(const ppq_stats *st, double big, size_t levels)
{
    search *s = search_create();
    ppq_stats_linear(st, true, 0, big, s->hist, BINS);
    flatten_zero(s->hist, 0, BINS * 2 / 1000);
    sums_init(&s->sums, s->hist);
    double tail = s->sums.weight[BINS];
    size_t len = 0;
    for (size_t k = 1; k <= STEPS; k++) {
        const size_t to = k * BINS / STEPS;
        for (; len < to; len++)
            tail -= s->hist[len];
        s->c[s->n++] =
            (candidate){ .b = len, .tail = PPQ_MAX(tail, 0), .clip = big * (double) len / BINS };
    }
    const double at = least_divergent(s, levels, big);
    free(s);
    return at;
}

// Over the signed histogram; candidates are magnitudes, so a one-sided tensor clips one end only.
static double clip_asymmetric(const ppq_stats *st, double min, double max, size_t levels)
{
    search *s = search_create();
    ppq_stats_linear(st, false, min, max, s->hist, BINS);
    const double width = (max - min) / BINS, big = PPQ_MAX(-min, max);
    flatten_zero(s->hist, (size_t) PPQ_MIN(-min / width, BINS - 1), BINS / 1000);
    sums_init(&s->sums, s->hist);
    const double *weight = s->sums.weight;
    for (size_t k = 1; k <= STEPS; k++) {
        const double t = big * (double) k / STEPS;
        const size_t a = (size_t) (PPQ_MAX(0, -t - min) / width);
        const size_t b = (size_t) PPQ_MIN(BINS, ceil((PPQ_MIN(max, t) - min) / width));
        if (b <= a || b - a < levels)
            continue;
        s->c[s->n++] = (candidate){ .a = a,
                                    .b = b,
                                    .low = weight[a],
                                    .tail = weight[BINS] - weight[b],
                                    .rough = true,
                                    .clip = t };
    }
    const double at = least_divergent(s, levels, big);
    free(s);
    return at;
}

static ppq_status render(const ppq_stats *s, const ppq_qfmt *fmt, float *scale, float *offset,
                         ppq_diag *d)
{
    (void) d;
    const ppq_range r = ppq_stats_range(s);
    const double min = PPQ_MIN((double) r.min, 0), max = PPQ_MAX((double) r.max, 0);
    const size_t levels = (size_t) (fmt->qmax - fmt->qmin) + 1;
    if (!(max > min) || levels > BINS / 2) {
        ppq_range_to_params(min, max, fmt, scale, offset);
    } else if (fmt->props & PPQ_Q_SYMMETRIC) {
        const double t = clip_symmetric(s, PPQ_MAX(-min, max), levels / 2);
        ppq_range_to_params(-t, t, fmt, scale, offset);
        // All `levels / 2` magnitudes are steps of their own.
        if (!(fmt->props & PPQ_Q_POW2))
            *scale = (float) PPQ_MAX(t / (double) (levels / 2), 1e-12);
    } else {
        const double t = clip_asymmetric(s, min, max, levels);
        ppq_range_to_params(PPQ_MAX(min, -t), PPQ_MIN(max, t), fmt, scale, offset);
    }
    return PPQ_OK;
}

const ppq_observer ppq_observer_kl = {
    .name = "kl",
    .summary = "the range whose quantized distribution diverges least (Kullback-Leibler)",
    .histogram = true,
    .render = render,
};
