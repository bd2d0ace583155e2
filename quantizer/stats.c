#include "quantizer/stats.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Zeros are many and come in rows behind a ReLU. An addition to a counter waits for the one before
// it, so neighbours have counters for zero of their own, a line of cache apart.
enum { TURNS = 4, APART = 8, ZERO_BINS = TURNS * APART };

struct ppq_stats {
    pthread_mutex_t lock;
    ppq_range range;
    bool any;
    uint64_t *bins;    // [PPQ_STATS_BINS + ZERO_BINS] by raw bits; NULL: range only
    uint32_t low, top; // magnitudes above zero whose bins may hold something: [low, top]
};

// Long arrays are counted without holding the lock, in four counters per bin, used in turns. A
// counter overflows after 65,535 values of its turn. Up to SHORT values, moving counters would take
// longer than counting.
enum { LANES = 4, PART = LANES << 15, TILE = 4096, SHORT = 1 << 15 };
struct ppq_stats_scratch {
    uint16_t count[PPQ_STATS_BINS][LANES];
};

ppq_stats *ppq_stats_create(bool histogram)
{
    ppq_stats *s = calloc(1, sizeof(*s));
    if (s && histogram)
        s->bins = calloc(PPQ_STATS_BINS + ZERO_BINS, sizeof(*s->bins));
    if (!s || (histogram && !s->bins))
        abort();
    s->low = PPQ_STATS_BINS;
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

// What one look at an array tells.
typedef struct extent {
    float min, max;
    int32_t least; // bits of the smallest magnitude above zero less one; INT32_MAX: all zero
    int32_t most;  // bits of the largest magnitude
} extent;

static extent extent_join(extent a, extent b)
{
    return (extent){ PPQ_MIN(a.min, b.min), PPQ_MAX(a.max, b.max), PPQ_MIN(a.least, b.least),
                     PPQ_MAX(a.most, b.most) };
}

static bool extent_finite(extent e)
{
    return finite_bits((uint32_t) e.most);
}

static int32_t magnitude_of(float x)
{
    return (int32_t) (bits_of(x) & 0x7fffffffu);
}

// One less than a magnitude's bits, by which zero becomes the largest.
static int32_t above_zero(int32_t magnitude)
{
    return (int32_t) (((uint32_t) magnitude - 1) & 0x7fffffffu);
}

// Independent accumulators let the compiler vectorize.
enum { K = 32 };

PPQ_CLONES
static extent extent_of(const float *x, int64_t n)
{
    float min[K], max[K];
    int32_t least[K], most[K];
    for (int k = 0; k < K; k++) {
        min[k] = max[k] = x[0];
        least[k] = INT32_MAX;
        most[k] = 0;
    }
    int64_t i = 0;
    for (; i + K <= n; i += K)
        for (int k = 0; k < K; k++) {
            const float v = x[i + k];
            const int32_t m = magnitude_of(v), a = above_zero(m);
            min[k] = v < min[k] ? v : min[k];
            max[k] = v > max[k] ? v : max[k];
            least[k] = a < least[k] ? a : least[k];
            most[k] = m > most[k] ? m : most[k];
        }
    extent all = { min[0], max[0], least[0], most[0] };
    for (int k = 1; k < K; k++)
        all = extent_join(all, (extent){ min[k], max[k], least[k], most[k] });
    for (; i < n; i++) {
        const int32_t m = magnitude_of(x[i]);
        all = extent_join(all, (extent){ x[i], x[i], above_zero(m), m });
    }
    return all;
}

// The same without the smallest magnitude, which only histograms ask for.
PPQ_CLONES
static extent ends_of(const float *x, int64_t n)
{
    float min[K], max[K];
    int32_t most[K];
    for (int k = 0; k < K; k++) {
        min[k] = max[k] = x[0];
        most[k] = 0;
    }
    int64_t i = 0;
    for (; i + K <= n; i += K)
        for (int k = 0; k < K; k++) {
            const float v = x[i + k];
            const int32_t m = magnitude_of(v);
            min[k] = v < min[k] ? v : min[k];
            max[k] = v > max[k] ? v : max[k];
            most[k] = m > most[k] ? m : most[k];
        }
    extent all = { min[0], max[0], 0, most[0] };
    for (int k = 1; k < K; k++)
        all = extent_join(all, (extent){ min[k], max[k], 0, most[k] });
    for (; i < n; i++)
        all = extent_join(all, (extent){ x[i], x[i], 0, magnitude_of(x[i]) });
    return all;
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
    for (; i + LANES <= n; i += LANES) {
        sc->count[bits_of(x[i]) >> 16][0]++;
        sc->count[bits_of(x[i + 1]) >> 16][1]++;
        sc->count[bits_of(x[i + 2]) >> 16][2]++;
        sc->count[bits_of(x[i + 3]) >> 16][3]++;
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
        for (int k = 0; k < STEP; k++) {
            // Neighbours in pairs of 32 bits, then both.
            const uint64_t mask = UINT64_C(0x0000ffff0000ffff);
            const uint64_t pairs = (words[k] & mask) + (words[k] >> 16 & mask);
            if (pairs)
                s->bins[b + (uint32_t) k] += (pairs & UINT32_MAX) + (pairs >> 32);
        }
        memset(sc->count[b], 0, sizeof(words));
    }
}

// Bins of magnitudes [low, top].
typedef struct span {
    uint32_t low, top; // low > top: nothing but zeros
} span;

static span span_of(extent e)
{
    if (e.least == INT32_MAX)
        return (span){ 1, 0 };
    if (!extent_finite(e))
        return (span){ 0, 0x7fffu };
    return (span){ (((uint32_t) e.least + 1) >> 16) & ~7u, ((uint32_t) e.most >> 16) | 7u };
}

static void widen(ppq_stats *s, span p)
{
    if (p.low > p.top)
        return;
    s->low = PPQ_MIN(s->low, p.low);
    s->top = PPQ_MAX(s->top, p.top);
}

// Only zero's bins and those between the smallest and the largest magnitude can be touched.
static void drain_extent(ppq_stats *s, ppq_stats_scratch *sc, extent e)
{
    const span p = span_of(e);
    const bool finite = extent_finite(e);
    drain(s, sc, 0, 0);
    drain(s, sc, 0x8000u, 0x8000u);
    if (p.low > p.top)
        return;
    if (!finite || e.max > 0)
        drain(s, sc, p.low, p.top);
    if (!finite || e.min < 0)
        drain(s, sc, 0x8000u | p.low, 0x8000u | p.top);
}

// Range and counts of a tile while it is in the nearest cache.
static extent look(const float *x, int64_t n, ppq_stats_scratch *sc)
{
    extent e = extent_of(x, PPQ_MIN(n, TILE));
    for (int64_t at = 0; at < n; at += TILE) {
        const int64_t len = PPQ_MIN(n - at, TILE);
        if (at)
            e = extent_join(e, extent_of(x + at, len));
        count(x + at, len, sc);
    }
    return e;
}

// Counts where the counters stay; the lock is held.
PPQ_CLONES
static void count_here(uint64_t *bins, const float *x, int64_t n)
{
    enum { BLOCK = 32 };
    int64_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        uint32_t at[BLOCK];
        for (uint32_t k = 0; k < BLOCK; k++) {
            const uint32_t b = bits_of(x[i + k]) >> 16;
            at[k] = b ? b : PPQ_STATS_BINS + k % TURNS * APART;
        }
        for (int k = 0; k < BLOCK; k++)
            bins[at[k]]++;
    }
    for (; i < n; i++)
        bins[bits_of(x[i]) >> 16]++;
    for (int k = 0; k < TURNS; k++) {
        bins[0] += bins[PPQ_STATS_BINS + k * APART];
        bins[PPQ_STATS_BINS + k * APART] = 0;
    }
}

static void observe_part(ppq_stats *s, const float *x, int64_t n, ppq_stats_scratch *scratch)
{
    const bool here = s->bins && n <= SHORT;
    const extent e = !s->bins ? ends_of(x, n) : here ? extent_of(x, n) : look(x, n, scratch);
    ppq_range r = { e.min, e.max, (uint64_t) n, 0 };
    if (!extent_finite(e))
        r = slow_range(x, n);
    pthread_mutex_lock(&s->lock);
    s->range.count += r.count;
    s->range.nonfinite += r.nonfinite;
    if (r.nonfinite < r.count) {
        s->range.min = !s->any || r.min < s->range.min ? r.min : s->range.min;
        s->range.max = !s->any || r.max > s->range.max ? r.max : s->range.max;
        s->any = true;
    }
    if (s->bins)
        widen(s, span_of(e));
    if (here)
        count_here(s->bins, x, n);
    else if (s->bins)
        drain_extent(s, scratch, e);
    pthread_mutex_unlock(&s->lock);
}

void ppq_stats_observe(ppq_stats *s, const float *x, int64_t n, ppq_stats_scratch *scratch)
{
    const int64_t part = s->bins ? PART : n;
    for (int64_t at = 0; at < n; at += part)
        observe_part(s, x + at, PPQ_MIN(n - at, part), scratch);
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
    // Infinities and NaN begin at 0x7f80. Bin 0 of both signs is zero, up to denormals that no
    // scale resolves.
    const uint32_t from = PPQ_MAX(s->low, 1), end = PPQ_MIN(s->top + 1, 0x7f80);
    const size_t most = from < end ? 2 * (size_t) (end - from) + 1 : 1;
    ppq_cell *c = malloc(most * sizeof(*c));
    if (!c)
        abort();
    size_t n = 0;
    for (uint32_t b = s->range.min < 0 ? end : from; b-- > from;)
        if (s->bins[b | 0x8000u])
            c[n++] = cell_of(s, b | 0x8000u);
    const uint64_t zeros = s->bins[0] + s->bins[0x8000u];
    if (zeros)
        c[n++] = (ppq_cell){ 0, 0, (double) zeros };
    for (uint32_t b = from; b < end; b++)
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
    const double i = (x - lo) / width;
    return i < 1 ? 0 : i >= (double) n ? n - 1 : (size_t) i;
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
