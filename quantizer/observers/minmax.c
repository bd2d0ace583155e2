#include "quantizer/stats.h"

// The whole observed range.

static ppq_status render(const ppq_stats *s, const ppq_qfmt *fmt, float *scale, float *offset,
                         ppq_diag *d)
{
    (void) d;
    const ppq_range r = ppq_stats_range(s);
    ppq_range_to_params((double) r.min, (double) r.max, fmt, scale, offset);
    return PPQ_OK;
}

const ppq_observer ppq_observer_minmax = {
    .name = "minmax",
    .summary = "the whole range of the data",
    .render = render,
};
