#ifndef PPQ_QUANTIZER_HISTOGRAMS_H
#define PPQ_QUANTIZER_HISTOGRAMS_H

#include "quantizer/stats.h"

// What calibration saw of activations, small enough to keep until the end.

enum { PPQ_HISTOGRAM_BINS = 64 };

typedef struct ppq_histogram {
    const ppq_op *op;   // of the TQC that was calibrated
    const ppq_var *var; // borrowed, like op, from the graph
    const ppq_tqc *tqc;
    ppq_range range;
    float share[PPQ_HISTOGRAM_BINS]; // of all values, between range.min and range.max
} ppq_histogram;

typedef struct ppq_histograms {
    ppq_histogram *at; // in the order of ops
    size_t n;
} ppq_histograms;

// Room for n; a former content is dropped.
void ppq_histograms_init(ppq_histograms *h, size_t n);
void ppq_histograms_fini(ppq_histograms *h);
// From the statistics of every channel.
void ppq_histograms_add(ppq_histograms *h, const ppq_op *op, const ppq_var *var, const ppq_tqc *tqc,
                        ppq_stats *const *stats, size_t n);

#endif
