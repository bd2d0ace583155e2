#ifndef PPQ_QUANTIZER_STATS_H
#define PPQ_QUANTIZER_STATS_H

#include "core/ext.h"

// What calibration keeps of a tensor: its range and, when asked, a histogram whose bins are the
// upper 16 bits of the float32 value (sign, exponent, 7 bits of mantissa). Such bins need no range
// known beforehand, so every observer makes do with one round over the data, and they merge by
// integer addition: the result is the same for any order of the samples and number of threads.
// Memory is bounded: 65,536 counters, of which only touched pages cost anything.
//
// Thread-safe: ppq_stats_observe may be called from several threads at the same time.

enum { PPQ_STATS_BINS = 1 << 16 };

ppq_stats *ppq_stats_create(bool histogram);
void ppq_stats_destroy(ppq_stats *s); // NULL is fine

// Per-thread working memory of ppq_stats_observe.
typedef struct ppq_stats_scratch ppq_stats_scratch;
ppq_stats_scratch *ppq_stats_scratch_create(void);
void ppq_stats_scratch_destroy(ppq_stats_scratch *s);

void ppq_stats_observe(ppq_stats *s, const float *x, int64_t n, ppq_stats_scratch *scratch);

typedef struct ppq_range {
    float min, max;     // of the finite values; 0, 0 when there are none
    uint64_t count;     // of all values
    uint64_t nonfinite; // NaN and infinities
} ppq_range;

ppq_range ppq_stats_range(const ppq_stats *s);

// The histogram as cells in ascending order: [lo, hi) and a count > 0; lo == hi == 0 is exactly
// zero. The array is the caller's to free. The outermost cells are cut at the range.
typedef struct ppq_cell {
    float lo, hi;
    double count;
} ppq_cell;

size_t ppq_stats_cells(const ppq_stats *s, ppq_cell **out);

// The range without the outermost 1 - keep of the values at each end, interpolated within cells. A cut
// of fewer than 16 values is none: the whole range.
void ppq_stats_kept_range(const ppq_stats *s, double keep, double *min, double *max);

// A linear histogram of n bins over [lo, hi], of |x| when `absolute`; cells that cross bin borders
// are split in proportion. Values outside go to the outermost bins.
void ppq_stats_linear(const ppq_stats *s, bool absolute, double lo, double hi, double *bins,
                      size_t n);

// The range -> scale and offset of a linear format. The range is widened to hold zero, which is
// then exactly representable. A scale is at least 1e-12, and 1e-8 for an empty range.
void ppq_range_to_params(double min, double max, const ppq_qfmt *fmt, float *scale,
                         float *offset);

#endif
