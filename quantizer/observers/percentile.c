#include "quantizer/stats.h"

// Cuts 0.01 % of the values at each end, over all samples together. (Averaging per-batch
// percentiles clips small tensors, where a batch's percentile is its maximum.) A tensor so small
// that the cut would take a handful of values keeps its range.

static ppq_status render(const ppq_stats *s, const ppq_qfmt *fmt, float *scale, float *offset,
                         ppq_diag *d)
{
    (void) d;
    double min, max;
    ppq_stats_kept_range(s, 0.9999, &min, &max);
    ppq_range_to_params(min, max, fmt, scale, offset);
    return PPQ_OK;
}

const ppq_observer ppq_observer_percentile = {
    .name = "percentile",
    .summary = "99.99 % of the values at each end; small tensors are not cut",
    .histogram = true,
    .render = render,
};
