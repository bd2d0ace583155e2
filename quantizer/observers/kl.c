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

// Bins near zero say nothing about where to clip: a spike there would dominate.
static void flatten_zero(double *hist, size_t zero, size_t reach)
{
    for (size_t i = zero > reach ? zero - reach : 0; i < zero + reach && i < BINS; i++)
        hist[i] = 0;
    if (zero + reach < BINS)
        hist[zero + reach] = PPQ_MAX(hist[zero + reach], 1);
}

static double clip_symmetric(const ppq_stats *s, double big, size_t levels)
{
    double *hist = calloc(3 * BINS, sizeof(*hist));
    if (!hist)
        abort();
    ppq_stats_linear(s, true, 0, big, hist, BINS);
    flatten_zero(hist, 0, BINS * 2 / 1000);
    double best = HUGE_VAL, at = big, tail = 0;
    for (size_t i = 0; i < BINS; i++)
        tail += hist[i];
    size_t len = 0;
    for (size_t k = 1; k <= STEPS; k++) {
        const size_t to = k * BINS / STEPS;
        for (; len < to; len++)
            tail -= hist[len];
        const double kl =
            divergence(hist, len, PPQ_MAX(tail, 0), levels, hist + BINS, hist + 2 * BINS);
        if (kl < best) {
            best = kl;
            at = big * (double) len / BINS;
        }
    }
    free(hist);
    return at;
}

// Over the signed histogram; candidates are magnitudes, so a one-sided tensor clips one end only.
static double clip_asymmetric(const ppq_stats *s, double min, double max, size_t levels)
{
    double *hist = calloc(4 * BINS, sizeof(*hist));
    if (!hist)
        abort();
    double *work = hist + BINS;
    ppq_stats_linear(s, false, min, max, hist, BINS);
    const double width = (max - min) / BINS, big = PPQ_MAX(-min, max);
    flatten_zero(hist, (size_t) PPQ_MIN(-min / width, BINS - 1), BINS / 1000);
    double best = HUGE_VAL, at = big;
    for (size_t k = 1; k <= STEPS; k++) {
        const double t = big * (double) k / STEPS;
        const size_t a = (size_t) (PPQ_MAX(0, -t - min) / width);
        const size_t b = (size_t) PPQ_MIN(BINS, ceil((PPQ_MIN(max, t) - min) / width));
        if (b <= a || b - a < levels)
            continue;
        memcpy(work, hist + a, (b - a) * sizeof(*work));
        double low = 0, high = 0;
        for (size_t i = 0; i < a; i++)
            low += hist[i];
        for (size_t i = b; i < BINS; i++)
            high += hist[i];
        work[0] += low;
        const double kl = divergence(work, b - a, high, levels, hist + 2 * BINS, hist + 3 * BINS);
        if (kl < best) {
            best = kl;
            at = t;
        }
    }
    free(hist);
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
