#include <math.h>
#include <stdlib.h>
#include <string.h>

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

// How far the middle of values over [a, b] (in steps, offset added) lies beyond the grid of the
// integers in [qmin, qmax]; 0 when it is less than half a step, that is, inside.
static double overshoot(double a, double b, const ppq_qfmt *fmt)
{
    const double mid = a + (b - a) / 2;
    return mid > fmt->qmax + 0.5 ? mid - fmt->qmax : mid < fmt->qmin - 0.5 ? fmt->qmin - mid : 0;
}

// Mean squared error, in squared steps, of values uniform over [a, b] on that grid.
static double cell_error(double a, double b, const ppq_qfmt *fmt)
{
    const double w = b - a, over = overshoot(a, b, fmt);
    if (over > 0)
        return over * over + w * w / 12;
    if (w < 1e-3) {
        const double mid = a + w / 2, e = mid - rint(mid);
        return e * e;
    }
    return (saw2(b) - saw2(a)) / w;
}

typedef struct grid {
    const ppq_qfmt *fmt;
    float scale, offset;
} grid;

static double error_in_steps(const ppq_cell *c, const grid *g)
{
    const double inv = 1 / (double) g->scale, off = (double) g->offset;
    return cell_error((double) c->lo * inv + off, (double) c->hi * inv + off, g->fmt);
}

static double range_error(const ppq_cell *c, size_t n, const grid *g)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += c[i].count * error_in_steps(&c[i], g);
    return sum * (double) g->scale * (double) g->scale;
}

// ---- estimates ------------------------------------------------------------------------------

// What range_error sums up has, but for rounding, a shorter form. Cells of one sign, by magnitude
// from zero outwards, fall into three zones, whatever the scale:
// - near: less than half a step, the error is the value: sums up to every cell are kept;
// - far: beyond the grid, the same with the distance to its end: sums from every cell on are kept;
// - between: a cell's error is 1/12 plus (r(hi) - r(lo)) / (hi - lo), r = x (x^2 - 1/4) / 3 of the
//   distance x to the nearest integer. Neighbours share an edge, at which r counts with the
//   difference of their densities.
// Candidates are compared by estimates; range_error decides where those are too close to tell, so
// that the choice is the one it would make alone.

typedef struct side {
    const ppq_cell *c; // ascending, like all cells
    size_t n;
    bool negative;
    double *lo, *hi;        // [n] magnitudes
    double *mass, *near;    // [n + 1] count and count x^2 of cells [0, i)
    double *far_x, *far_xx; // [n + 1] count x and count x^2 of cells [i, n)
    double *density;        // [n] count per width; 0 where the range cuts a cell
    double *edge, *drop;    // [2 n] edges, and the density below less that above
    size_t *at;             // [n] the edge below a cell; the one above is the next
    void *memory;
} side;

static const ppq_cell *side_cell(const side *s, size_t i)
{
    return s->negative ? &s->c[s->n - 1 - i] : &s->c[i];
}

static void side_alloc(side *s)
{
    enum { SINGLE = 7, DOUBLE = 2 };
    const size_t n = s->n + 1;
    double *p = malloc(n * ((SINGLE + 2 * DOUBLE) * sizeof(*p) + sizeof(*s->at)));
    if (!p)
        abort();
    double **const single[SINGLE] = { &s->lo,    &s->hi,     &s->mass,   &s->near,
                                      &s->far_x, &s->far_xx, &s->density };
    s->memory = p;
    for (int k = 0; k < SINGLE; k++, p += n)
        *single[k] = p;
    s->edge = p;
    s->drop = p + 2 * n;
    s->at = (size_t *) (void *) (p + 4 * n);
}

// The mean of x^2 over [lo, hi].
static double mean_square(double lo, double hi)
{
    return (lo * lo + lo * hi + hi * hi) / 3;
}

static void side_sums(side *s)
{
    s->mass[0] = s->near[0] = s->far_x[s->n] = s->far_xx[s->n] = 0;
    for (size_t i = 0; i < s->n; i++) {
        const ppq_cell *c = side_cell(s, i);
        const double lo = s->negative ? -(double) c->hi : (double) c->lo;
        const double hi = s->negative ? -(double) c->lo : (double) c->hi;
        const bool cut = i == 0 || i + 1 == s->n;
        s->lo[i] = lo;
        s->hi[i] = hi;
        s->density[i] = cut ? 0 : c->count / (hi - lo);
        s->mass[i + 1] = s->mass[i] + c->count;
        s->near[i + 1] = s->near[i] + c->count * mean_square(lo, hi);
    }
    for (size_t i = s->n; i-- > 0;) {
        const double count = side_cell(s, i)->count, lo = s->lo[i], hi = s->hi[i];
        s->far_x[i] = s->far_x[i + 1] + count * (lo + hi) / 2;
        s->far_xx[i] = s->far_xx[i + 1] + count * mean_square(lo, hi);
    }
}

static void side_edges(side *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const bool joined = i > 0 && !(s->lo[i] > s->hi[i - 1]);
        if (!joined) {
            s->edge[n] = s->lo[i];
            s->drop[n++] = 0;
        }
        s->at[i] = n - 1;
        s->drop[n - 1] -= s->density[i];
        s->edge[n] = s->hi[i];
        s->drop[n++] = s->density[i];
    }
}

static void side_init(side *s, const ppq_cell *c, size_t n, bool negative)
{
    *s = (side){ .c = c, .n = n, .negative = negative };
    side_alloc(s);
    side_sums(s);
    side_edges(s);
}

// Three times r of a value in steps. Adding and taking off 1.5 * 2^52 rounds to an integer.
static inline double ripple(double x)
{
    const double big = 6755399441055744.0, r = x - ((x + big) - big);
    return r * (r * r - 0.25);
}

// Sum of drop * 3 r over edges [from, to). Independent accumulators let the compiler vectorize.
static double ripples(const side *s, size_t from, size_t to, double inv)
{
    enum { K = 8 };
    double sum[K] = { 0 };
    size_t i = from;
    for (; i + K <= to; i += K)
        for (size_t k = 0; k < K; k++)
            sum[k] += s->drop[i + k] * ripple(s->edge[i + k] * inv);
    for (; i < to; i++)
        sum[0] += s->drop[i] * ripple(s->edge[i] * inv);
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

// The first cell of the far zone, told as range_error tells it.
static size_t far_zone(const side *s, const grid *g)
{
    const double inv = 1 / (double) g->scale, off = (double) g->offset;
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const ppq_cell *c = side_cell(s, mid);
        if (overshoot((double) c->lo * inv + off, (double) c->hi * inv + off, g->fmt) > 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

// The first cell that reaches half a step; a little less, so that rounding does not matter.
static size_t near_zone(const side *s, double inv)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (s->hi[mid] * inv > 0.499)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

static double between_zone(const side *s, size_t from, size_t to, double inv, const grid *g)
{
    if (from >= to)
        return 0;
    // Cells that the range cuts may be narrow: those two by themselves.
    const ppq_cell *inner = side_cell(s, 0), *outer = side_cell(s, s->n - 1);
    double count = s->mass[to] - s->mass[from], sum = 0;
    if (from == 0) {
        count -= inner->count;
        sum += inner->count * error_in_steps(inner, g);
    }
    if (to == s->n && outer != inner) {
        count -= outer->count;
        sum += outer->count * error_in_steps(outer, g);
    }
    const size_t first = s->at[from], last = s->at[to - 1] + 1;
    const double r = ripples(s, first + 1, last, inv) -
                     s->density[from] * ripple(s->edge[first] * inv) +
                     s->density[to - 1] * ripple(s->edge[last] * inv);
    return sum + count / 12 + r / (3 * inv);
}

// In squared steps; *slack grows by how far it may be off.
static double side_error(const side *s, const grid *g, double *slack)
{
    const double inv = 1 / (double) g->scale, off = (double) g->offset;
    const double end = s->negative ? off - g->fmt->qmin : g->fmt->qmax - off;
    const size_t far = far_zone(s, g), near = PPQ_MIN(near_zone(s, inv), far);
    const double beyond = s->mass[s->n] - s->mass[far];
    const double levels = g->fmt->qmax - g->fmt->qmin;
    // Narrow cells count as points in range_error: w^2 / 12 < 1e-7 less.
    *slack += 2e-7 * s->mass[s->n] + 1e-11 * levels * levels * beyond;
    return s->near[near] * inv * inv + between_zone(s, near, far, inv, g) +
           s->far_xx[far] * inv * inv - 2 * end * s->far_x[far] * inv + end * end * beyond;
}

// ---- search ---------------------------------------------------------------------------------

// range_error is within slack of error; 0: it is error.
typedef struct candidate {
    double min, max, error, slack;
    grid grid;
} candidate;

// Tries end = full * (1 - k/steps * (1 - floor)) for one end (or both, symmetric) and keeps the
// best.
typedef struct search {
    const ppq_cell *c;
    size_t n;
    const ppq_qfmt *fmt;
    side sides[2];
    candidate best;
    double least_low, least_high; // smallest allowed share of each end
} search;

static void make_exact(const search *s, candidate *x)
{
    if (x->slack > 0)
        x->error = range_error(s->c, s->n, &x->grid);
    x->slack = 0;
}

static candidate candidate_of(const search *s, double min, double max)
{
    enum { MOST_LEVELS = 4096 }; // rounding hides the differences of finer grids
    candidate x = { .min = min, .max = max, .grid = { .fmt = s->fmt }, .slack = HUGE_VAL };
    ppq_range_to_params(min, max, s->fmt, &x.grid.scale, &x.grid.offset);
    if (s->fmt->qmax - s->fmt->qmin >= MOST_LEVELS) {
        make_exact(s, &x);
        return x;
    }
    const double square = (double) x.grid.scale * (double) x.grid.scale;
    double slack = 0, sum = side_error(&s->sides[0], &x.grid, &slack);
    sum += side_error(&s->sides[1], &x.grid, &slack);
    x.error = sum * square;
    x.slack = slack * square + 1e-9 * x.error;
    return x;
}

static bool same_grid(const grid *a, const grid *b)
{
    return memcmp(&a->scale, &b->scale, sizeof(a->scale)) == 0 &&
           memcmp(&a->offset, &b->offset, sizeof(a->offset)) == 0;
}

static bool better(const search *s, candidate *x, candidate *than)
{
    if (same_grid(&x->grid, &than->grid) || x->error - x->slack >= than->error + than->slack)
        return false;
    if (x->error + x->slack < than->error - than->slack)
        return true;
    make_exact(s, x);
    make_exact(s, than);
    return x->error < than->error;
}

static bool try_range(search *s, double min, double max)
{
    candidate x = candidate_of(s, min, max);
    if (!better(s, &x, &s->best))
        return false;
    s->best = x;
    return true;
}

static void search_init(search *s, double min, double max)
{
    size_t below = 0;
    while (below < s->n && s->c[below].lo < 0)
        below++;
    const size_t zero = below < s->n && !(s->c[below].hi > 0); // exact on any grid
    side_init(&s->sides[0], s->c, below, true);
    side_init(&s->sides[1], s->c + below + zero, s->n - below - zero, false);
    s->best = candidate_of(s, min, max);
}

static void search_fini(search *s)
{
    free(s->sides[0].memory);
    free(s->sides[1].memory);
}

enum { COARSE = 24, FINE = 6 };

static void sweep(search *s, double full_min, double full_max, bool low, bool high)
{
    const double keep_min = s->best.min, keep_max = s->best.max;
    double at = 1;
    for (int round = 0; round < 2; round++) {
        const double step = round ? 1.0 / (COARSE + 1) / (FINE + 1) : 1.0 / (COARSE + 1);
        const double from = at;
        for (int k = round ? -FINE : 0; k <= (round ? FINE : COARSE - 1); k++) {
            const double f = round ? from + k * step : 1 - k * step;
            if (f <= 0 || f > 1 || (low && f < s->least_low) || (high && f < s->least_high))
                continue;
            if (try_range(s, low ? full_min * f : keep_min, high ? full_max * f : keep_max))
                at = f;
        }
    }
}

static ppq_status render(const ppq_stats *st, const ppq_qfmt *fmt, float *scale, float *offset,
                         ppq_diag *d)
{
    (void) d;
    const ppq_range r = ppq_stats_range(st);
    const double min = PPQ_MIN((double) r.min, 0), max = PPQ_MAX((double) r.max, 0);
    ppq_cell *c;
    search s = { .fmt = fmt };
    s.n = ppq_stats_cells(st, &c);
    s.c = c;
    search_init(&s, min, max);
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
    ppq_range_to_params(s.best.min, s.best.max, fmt, scale, offset);
    search_fini(&s);
    free(c);
    return PPQ_OK;
}

const ppq_observer ppq_observer_mse = {
    .name = "mse",
    .summary = "the range with the smallest mean squared error",
    .histogram = true,
    .render = render,
};
