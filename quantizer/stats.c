#include "quantizer/stats.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct ppq_stats {
    pthread_mutex_t lock;
    ppq_range range;
    bool any;
    uint64_t *bins; // [PPQ_STATS_BINS] by raw bits; NULL: range only
};

// Two counters per bin, used in turns: equal neighbours (zeros after a ReLU) would otherwise wait
// for each other's store.
enum { LANES = 2 };
struct ppq_stats_scratch {
    uint32_t count[PPQ_STATS_BINS][LANES];
};

ppq_stats *ppq_stats_create(bool histogram)
{
    ppq_stats *s = calloc(1, sizeof(*s));
    if (s && histogram)
        s->bins = calloc(PPQ_STATS_BINS, sizeof(*s->bins));
    if (!s || (histogram && !s->bins))
        abort();
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void ppq_stats_destroy(ppq_stats *s)
{
    if (!s)
        return;
    pthread_mutex_destroy(&s->lock);
    free(s->bins);
    free(s);
}

ppq_stats_scratch *ppq_stats_scratch_create(void)
{
    ppq_stats_scratch *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    return s;
}

void ppq_stats_scratch_destroy(ppq_stats_scratch *s)
{
    free(s);
}

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof(u));
    return u;
}

static float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof(x));
    return x;
}

// NaN and infinity have an exponent of all ones.
static bool finite_bits(uint32_t u)
{
    return (u & 0x7f800000u) != 0x7f800000u;
}

// Range of a block, and the bits of its smallest magnitude above zero less one; false when it holds
// a value that is not finite. Independent accumulators let the compiler vectorize.
static bool block_range(const float *x, int64_t n, float *min, float *max, uint32_t *least)
{
    enum { K = 32 };
    float lo[K], hi[K];
    uint32_t bad[K] = { 0 }, small[K];
    for (int k = 0; k < K; k++) {
        lo[k] = hi[k] = x[0];
        small[k] = UINT32_MAX;
    }
    int64_t i = 0;
    for (; i + K <= n; i += K)
        for (int k = 0; k < K; k++) {
            const float v = x[i + k];
            lo[k] = v < lo[k] ? v : lo[k];
            hi[k] = v > hi[k] ? v : hi[k];
            bad[k] |= (bits_of(v) & 0x7f800000u) == 0x7f800000u;
            // Zero wraps around to the largest.
            const uint32_t m = (bits_of(v) & 0x7fffffffu) - 1;
            small[k] = m < small[k] ? m : small[k];
        }
    for (; i < n; i++) {
        lo[0] = x[i] < lo[0] ? x[i] : lo[0];
        hi[0] = x[i] > hi[0] ? x[i] : hi[0];
        bad[0] |= !finite_bits(bits_of(x[i]));
        const uint32_t m = (bits_of(x[i]) & 0x7fffffffu) - 1;
        small[0] = m < small[0] ? m : small[0];
    }
    uint32_t any = 0;
    for (int k = 0; k < K; k++) {
        lo[0] = lo[k] < lo[0] ? lo[k] : lo[0];
        hi[0] = hi[k] > hi[0] ? hi[k] : hi[0];
        any |= bad[k];
        small[0] = small[k] < small[0] ? small[k] : small[0];
    }
    *least = small[0];
    *min = lo[0];
    *max = hi[0];
    return !any;
}

static ppq_range slow_range(const float *x, int64_t n)
{
    ppq_range r = { 0, 0, (uint64_t) n, 0 };
    bool any = false;
    for (int64_t i = 0; i < n; i++) {
        if (!finite_bits(bits_of(x[i]))) {
            r.nonfinite++;
            continue;
        }
        r.min = !any || x[i] < r.min ? x[i] : r.min;
        r.max = !any || x[i] > r.max ? x[i] : r.max;
        any = true;
    }
    return r;
}

static void count(const float *x, int64_t n, ppq_stats_scratch *sc)
{
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        sc->count[bits_of(x[i]) >> 16][0]++;
        sc->count[bits_of(x[i + 1]) >> 16][1]++;
        sc->count[bits_of(x[i + 2]) >> 16][0]++;
        sc->count[bits_of(x[i + 3]) >> 16][1]++;
    }
    for (; i < n; i++)
        sc->count[bits_of(x[i]) >> 16][0]++;
}

// Moves the scratch counters of bins [from, to] into the statistics and clears them.
static void drain(ppq_stats *s, ppq_stats_scratch *sc, uint32_t from, uint32_t to)
{
    enum { STEP = 8 };
    for (uint32_t b = from; b <= to; b += STEP) {
        uint64_t words[STEP];
        memcpy(words, sc->count[b], sizeof(words));
        uint64_t any = 0;
        for (int k = 0; k < STEP; k++)
            any |= words[k];
        if (!any)
            continue;
        for (uint32_t k = b; k < b + STEP; k++)
            if (sc->count[k][0] | sc->count[k][1])
                s->bins[k] += (uint64_t) sc->count[k][0] + sc->count[k][1];
        memset(sc->count[b], 0, sizeof(words));
    }
}

void ppq_stats_observe(ppq_stats *s, const float *x, int64_t n, ppq_stats_scratch *scratch)
{
    if (n <= 0)
        return;
    ppq_range r = { 0, 0, (uint64_t) n, 0 };
    uint32_t least = 0;
    if (!block_range(x, n, &r.min, &r.max, &least)) {
        r = slow_range(x, n);
        least = 0;
    }
    const bool some = r.nonfinite < r.count;
    if (s->bins)
        count(x, n, scratch);
    pthread_mutex_lock(&s->lock);
    s->range.count += r.count;
    s->range.nonfinite += r.nonfinite;
    if (some) {
        s->range.min = !s->any || r.min < s->range.min ? r.min : s->range.min;
        s->range.max = !s->any || r.max > s->range.max ? r.max : s->range.max;
        s->any = true;
    }
    if (s->bins) {
        const float big = PPQ_MAX(fabsf(r.min), fabsf(r.max));
        const uint32_t top = r.nonfinite ? 0x7fffu : (bits_of(big) >> 16) | 7u;
        // Only bins between the smallest and the largest magnitude can be touched, and zero's.
        const uint32_t low = least == UINT32_MAX ? 0 : ((least + 1) >> 16) & ~7u;
        drain(s, scratch, 0, 0);
        drain(s, scratch, 0x8000u, 0x8000u);
        drain(s, scratch, low, top);
        drain(s, scratch, 0x8000u | low, 0x8000u | top);
    }
    pthread_mutex_unlock(&s->lock);
}

ppq_range ppq_stats_range(const ppq_stats *s)
{
    return s->range;
}

// Bin b of a sign holds magnitudes [float(b << 16), float((b + 1) << 16)).
static ppq_cell cell_of(const ppq_stats *s, uint32_t b)
{
    const uint32_t mag = b & 0x7fffu;
    float lo = float_of(mag << 16), hi = float_of((mag + 1) << 16);
    if (b & 0x8000u) {
        const float t = lo;
        lo = -hi;
        hi = -t;
    }
    lo = PPQ_MAX(lo, s->range.min);
    hi = PPQ_MIN(hi, s->range.max);
    return (ppq_cell){ lo, PPQ_MAX(lo, hi), (double) s->bins[b] };
}

size_t ppq_stats_cells(const ppq_stats *s, ppq_cell **out)
{
    const uint32_t end = 0x7f80; // infinities and NaN begin here
    size_t n = 0;
    for (uint32_t b = 0; b < end; b++)
        n += (s->bins[b] != 0) + (s->bins[b | 0x8000u] != 0);
    ppq_cell *c = calloc(n + 1, sizeof(*c));
    if (!c)
        abort();
    n = 0;
    for (uint32_t b = end; b-- > 1;)
        if (s->bins[b | 0x8000u])
            c[n++] = cell_of(s, b | 0x8000u);
    // Bin 0 of both signs is zero, up to denormals that no scale resolves.
    const uint64_t zeros = s->bins[0] + s->bins[0x8000u];
    if (zeros)
        c[n++] = (ppq_cell){ 0, 0, (double) zeros };
    for (uint32_t b = 1; b < end; b++)
        if (s->bins[b])
            c[n++] = cell_of(s, b);
    *out = c;
    return n;
}

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

void ppq_stats_kept_range(const ppq_stats *s, double keep, double *min, double *max)
{
    enum { MIN_CUT = 16 };
    const double total = (double) (s->range.count - s->range.nonfinite);
    *min = (double) s->range.min;
    *max = (double) s->range.max;
    if (total * (1 - keep) < MIN_CUT)
        return;
    ppq_cell *c;
    const size_t n = ppq_stats_cells(s, &c);
    *min = PPQ_MAX(*min, quantile(c, n, total * (1 - keep)));
    *max = PPQ_MIN(*max, quantile(c, n, total * keep));
    free(c);
}

static size_t bin_at(double x, double lo, double width, size_t n)
{
    const double i = floor((x - lo) / width);
    return i < 0 ? 0 : i >= (double) n ? n - 1 : (size_t) i;
}

static void spread(double a, double b, double weight, double lo, double width, double *bins,
                   size_t n)
{
    const size_t first = bin_at(a, lo, width, n), last = bin_at(b, lo, width, n);
    if (first == last || !(b > a)) {
        bins[first] += weight;
        return;
    }
    for (size_t i = first; i <= last; i++) {
        const double l = i == first ? a : lo + (double) i * width;
        const double r = i == last ? b : lo + (double) (i + 1) * width;
        bins[i] += weight * PPQ_MAX(0, r - l) / (b - a);
    }
}

void ppq_stats_linear(const ppq_stats *s, bool absolute, double lo, double hi, double *bins,
                      size_t n)
{
    ppq_cell *c;
    const size_t n_cells = ppq_stats_cells(s, &c);
    memset(bins, 0, n * sizeof(*bins));
    const double width = (hi - lo) / (double) n;
    for (size_t i = 0; i < n_cells && width > 0; i++) {
        double a = (double) c[i].lo, b = (double) c[i].hi;
        if (absolute && b <= 0) {
            const double t = a;
            a = -b;
            b = -t;
        }
        spread(a, b, c[i].count, lo, width, bins, n);
    }
    free(c);
}

void ppq_range_to_params(double min, double max, const ppq_qfmt *fmt, float *scale, float *offset)
{
    min = PPQ_MIN(min, 0);
    max = PPQ_MAX(max, 0);
    const double steps = fmt->qmax - fmt->qmin;
    double s = fmt->props & PPQ_Q_SYMMETRIC ? 2 * PPQ_MAX(-min, max) / steps : (max - min) / steps;
    s = s > 0 ? PPQ_MAX(s, 1e-12) : 1e-8;
    if (fmt->props & PPQ_Q_POW2)
        s = exp2(ceil(log2(s)));
    *scale = (float) s;
    *offset = 0;
    if (fmt->props & PPQ_Q_ASYMMETRIC) {
        const double o = rint(-min / (double) *scale) + fmt->qmin;
        *offset = (float) PPQ_MIN(PPQ_MAX(o, fmt->qmin), fmt->qmax);
    }
}
