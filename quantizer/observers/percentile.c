#include <math.h>
#include <stdlib.h>

#include "quantizer/stats.h"

// Cuts 0.01 % of the values at each end, over all samples together. (Averaging per-batch
// percentiles clips small tensors, where a batch's percentile is its maximum.) A tensor so small
// that the cut would take fewer than MIN_CUT values keeps its range.

static const double keep = 0.9999;
enum { MIN_CUT = 16 };

// The value below which `want` of the cells' weight lies; linear within a cell.
static double quantile(const ppq_cell *c, size_t n, double want)
{
    double below = 0;
    for (size_t i = 0; i < n; i++) {
        if (below + c[i].count >= want) {
            const double f = (want - below) / c[i].count;
            return (double) c[i].lo + f * ((double) c[i].hi - (double) c[i].lo);
        }
        below += c[i].count;
    }
    return n ? (double) c[n - 1].hi : 0;
}

static ppq_status render(const ppq_stats *s, const ppq_qfmt *fmt, float *scale, float *offset,
                         ppq_diag *d)
{
    (void) d;
    const ppq_range r = ppq_stats_range(s);
    const double total = (double) (r.count - r.nonfinite);
    double min = (double) r.min, max = (double) r.max;
    if (total * (1 - keep) >= MIN_CUT) {
        ppq_cell *c;
        const size_t n = ppq_stats_cells(s, &c);
        min = PPQ_MAX(min, quantile(c, n, total * (1 - keep)));
        max = PPQ_MIN(max, quantile(c, n, total * keep));
        free(c);
    }
    ppq_range_to_params(min, max, fmt, scale, offset);
    return PPQ_OK;
}

const ppq_observer ppq_observer_percentile = {
    .name = "percentile",
    .summary = "99.99 % of the values at each end; small tensors are not cut",
    .histogram = true,
    .render = render,
};
