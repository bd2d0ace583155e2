#include "quantizer/histograms.h"

#include <stdlib.h>

void ppq_histograms_init(ppq_histograms *h, size_t n)
{
    ppq_histograms_fini(h);
    h->at = calloc(n + 1, sizeof(*h->at));
    if (!h->at)
        abort();
}

void ppq_histograms_fini(ppq_histograms *h)
{
    free(h->at);
    *h = (ppq_histograms){ 0 };
}

static ppq_range join(ppq_range a, const ppq_range *b)
{
    if (!b->count)
        return a;
    if (!a.count)
        return *b;
    return (ppq_range){ PPQ_MIN(a.min, b->min), PPQ_MAX(a.max, b->max), a.count + b->count,
                        a.nonfinite + b->nonfinite };
}

void ppq_histograms_add(ppq_histograms *h, const ppq_op *op, const ppq_var *var, const ppq_tqc *tqc,
                        ppq_stats *const *stats, size_t n)
{
    ppq_histogram *to = &h->at[h->n++];
    *to = (ppq_histogram){ .op = op, .var = var, .tqc = tqc };
    for (size_t c = 0; c < n; c++) {
        const ppq_range r = ppq_stats_range(stats[c]);
        to->range = join(to->range, &r);
    }
    for (size_t c = 0; c < n; c++) {
        double bins[PPQ_HISTOGRAM_BINS];
        ppq_stats_linear(stats[c], false, (double) to->range.min, (double) to->range.max, bins,
                         PPQ_HISTOGRAM_BINS);
        for (int i = 0; i < PPQ_HISTOGRAM_BINS; i++)
            to->share[i] += (float) (bins[i] / (double) PPQ_MAX(to->range.count, 1));
    }
}
