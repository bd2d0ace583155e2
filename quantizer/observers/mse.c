#include <math.h>
#include <stdlib.h>

#include "quantizer/stats.h"

// The range that makes the mean squared quantization error smallest, searched over shrunken
// ranges that keep 99.99 % of the values: the mean hides that a few large values are often the ones
// that matter, a channel of its own. Within a histogram cell values count as uniform, for which the
// error has a closed form, so cells may be as wide as a quantization step.

// Integral of (t - rint(t))^2 from 0 to t.
static double saw2(double t)
{
    const double n = rint(t), r = t - n;
    return n / 12 + r * r * r / 3;
}

// Mean squared error, in squared steps, of values uniform over [a, b] (already in steps, offset
// added) on the grid of the integers in [qmin, qmax].
static double cell_error(double a, double b, const ppq_qfmt *fmt)
{
    const double w = b - a, mid = a + w / 2;
    const double over = mid > fmt->qmax + 0.5   ? mid - fmt->qmax
                        : mid < fmt->qmin - 0.5 ? fmt->qmin - mid
                                                : 0;
    if (over > 0)
        return over * over + w * w / 12;
    if (w < 1e-3) {
        const double e = mid - rint(mid);
        return e * e;
    }
    return (saw2(b) - saw2(a)) / w;
}

static double range_error(const ppq_cell *c, size_t n, const ppq_qfmt *fmt, double min, double max)
{
    float scale, offset;
    ppq_range_to_params(min, max, fmt, &scale, &offset);
    const double inv = 1 / (double) scale, off = (double) offset;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += c[i].count *
               cell_error((double) c[i].lo * inv + off, (double) c[i].hi * inv + off, fmt);
    return sum * (double) scale * (double) scale;
}

// Tries end = full * (1 - k/steps * (1 - floor)) for one end (or both, symmetric) and keeps the
// best.
typedef struct search {
    const ppq_cell *c;
    size_t n;
    const ppq_qfmt *fmt;
    double min, max, best;
    double least_low, least_high; // smallest allowed share of each end
} search;

static void try_range(search *s, double min, double max)
{
    const double e = range_error(s->c, s->n, s->fmt, min, max);
    if (e < s->best) {
        s->best = e;
        s->min = min;
        s->max = max;
    }
}

enum { COARSE = 24, FINE = 6 };

static void sweep(search *s, double full_min, double full_max, bool low, bool high)
{
    const double keep_min = s->min, keep_max = s->max;
    double at = 1;
    for (int round = 0; round < 2; round++) {
        const double step = round ? 1.0 / (COARSE + 1) / (FINE + 1) : 1.0 / (COARSE + 1);
        const double from = at, before = s->best;
        double best_at = at, best = before;
        for (int k = round ? -FINE : 0; k <= (round ? FINE : COARSE - 1); k++) {
            const double f = round ? from + k * step : 1 - k * step;
            if (f <= 0 || f > 1 || (low && f < s->least_low) || (high && f < s->least_high))
                continue;
            try_range(s, low ? full_min * f : keep_min, high ? full_max * f : keep_max);
            if (s->best < best) {
                best = s->best;
                best_at = f;
            }
        }
        at = best_at;
    }
}

static ppq_status render(const ppq_stats *st, const ppq_qfmt *fmt, float *scale, float *offset,
                         ppq_diag *d)
{
    (void) d;
    const ppq_range r = ppq_stats_range(st);
    const double min = PPQ_MIN((double) r.min, 0), max = PPQ_MAX((double) r.max, 0);
    ppq_cell *c;
    search s = { .fmt = fmt, .min = min, .max = max };
    s.n = ppq_stats_cells(st, &c);
    s.c = c;
    s.best = range_error(c, s.n, fmt, min, max);
    double kept_min, kept_max;
    ppq_stats_kept_range(st, 0.9999, &kept_min, &kept_max);
    s.least_low = min < 0 ? PPQ_MAX(0, kept_min / min) : 0;
    s.least_high = max > 0 ? PPQ_MAX(0, kept_max / max) : 0;
    if (fmt->props & PPQ_Q_SYMMETRIC) {
        const double big = PPQ_MAX(-min, max);
        if (big > 0)
            s.least_low = s.least_high = PPQ_MAX(0, PPQ_MAX(-kept_min, kept_max)) / big;
        sweep(&s, -big, big, true, true);
    } else {
        sweep(&s, min, max, false, max > 0);
        if (min < 0)
            sweep(&s, min, max, true, false);
    }
    free(c);
    ppq_range_to_params(s.min, s.max, fmt, scale, offset);
    return PPQ_OK;
}

const ppq_observer ppq_observer_mse = {
    .name = "mse",
    .summary = "the range with the smallest mean squared error",
    .histogram = true,
    .render = render,
};
