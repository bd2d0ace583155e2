// Laws of every registered observer, over tensors of many kinds.

#include "core/parallel.h"
#include "core/quantfn.h"
#include "quantizer/platforms/formats.h"
#include "quantizer/stats.h"
#include "tests/unit/harness.h"

enum { N = 20000 };

// ---- data -----------------------------------------------------------------------------------

static double laplace(ppq_rng *r)
{
    const double u = ppq_rng_uniform(r) - 0.5;
    return (u < 0 ? 1 : -1) * log(1 - 2 * fabs(u) + 1e-12);
}

static double normal(ppq_rng *r)
{
    return ppq_rng_normal(r);
}
static double relu(ppq_rng *r)
{
    return fmax(0, ppq_rng_normal(r));
}
static double zero(ppq_rng *r)
{
    return 0 * ppq_rng_uniform(r);
}
static double seven(ppq_rng *r)
{
    return 7 + 0 * ppq_rng_uniform(r);
}
static double negative(ppq_rng *r)
{
    return -1 - ppq_rng_uniform(r);
}
static double tiny(ppq_rng *r)
{
    return 1e-20 * ppq_rng_normal(r);
}
static double denormal(ppq_rng *r)
{
    return 1.4e-45 * ceil(3 * ppq_rng_uniform(r));
}
static double huge(ppq_rng *r)
{
    return 1e30 * ppq_rng_normal(r);
}
static double largest(ppq_rng *r)
{
    return ppq_rng_uniform(r) < 0.5 ? -3.4e38 : 3.4e38;
}
static double skewed(ppq_rng *r)
{
    return ppq_rng_uniform(r) < 0.9 ? fabs(ppq_rng_normal(r)) : -0.05 * ppq_rng_uniform(r);
}
static double outlier(ppq_rng *r)
{
    return ppq_rng_uniform(r) < 0.001 ? 100 : 0.1 * ppq_rng_normal(r);
}
static double two_values(ppq_rng *r)
{
    return ppq_rng_uniform(r) < 0.5 ? -1 : 3;
}

static const struct {
    const char *name;
    double (*draw)(ppq_rng *r);
} kinds[] = {
    { "normal", normal },
    { "laplace", laplace },
    { "relu", relu },
    { "zero", zero },
    { "seven", seven },
    { "negative", negative },
    { "tiny", tiny },
    { "denormal", denormal },
    { "huge", huge },
    { "largest", largest },
    { "skewed", skewed },
    { "outlier", outlier },
    { "two-values", two_values },
};

static const ppq_qfmt formats[] = {
    PPQ_FMT_U8_ASYM,
    PPQ_FMT_S8_SYM,
    PPQ_FMT_S8_NARROW,
    PPQ_FMT(PPQ_Q_ASYMMETRIC | PPQ_Q_LINEAR | PPQ_Q_PER_TENSOR, 8, -128, 127),
    PPQ_FMT(PPQ_Q_SYMMETRIC | PPQ_Q_LINEAR | PPQ_Q_PER_TENSOR | PPQ_Q_POW2, 8, -128, 127),
    PPQ_FMT(PPQ_Q_ASYMMETRIC | PPQ_Q_LINEAR | PPQ_Q_PER_TENSOR, 4, 0, 15),
    PPQ_FMT(PPQ_Q_SYMMETRIC | PPQ_Q_LINEAR | PPQ_Q_PER_TENSOR, 16, -32768, 32767),
};

static float *draw(size_t kind)
{
    float *x = calloc(N, sizeof(*x));
    ck_assert_ptr_nonnull(x);
    ppq_rng r = ppq_rng_seed(31, kind);
    for (int i = 0; i < N; i++)
        x[i] = (float) kinds[kind].draw(&r);
    return x;
}

static ppq_stats *observed(const float *x, int64_t n)
{
    ppq_stats *s = ppq_stats_create(true);
    ppq_stats_scratch *sc = ppq_stats_scratch_create();
    if (n)
        ppq_stats_observe(s, x, n, sc);
    ppq_stats_scratch_destroy(sc);
    return s;
}

static ppq_qparam rendered(const ppq_observer *o, const ppq_stats *s, const ppq_qfmt *f)
{
    ppq_qparam p = { .qmin = f->qmin, .qmax = f->qmax, .rounding = f->rounding };
    ck_assert_int_eq(o->render(s, f, &p.scale, &p.offset, NULL), PPQ_OK);
    return p;
}

// ---- every observer -------------------------------------------------------------------------

static void check_params(const ppq_observer *o, const char *kind, const ppq_qfmt *f,
                         const ppq_qparam *p)
{
    ck_assert_msg(p->scale > 0 && isfinite(p->scale), "%s of %s: scale %g", o->name, kind,
                  (double) p->scale);
    ck_assert_msg(p->offset >= (float) f->qmin && p->offset <= (float) f->qmax &&
                      !(p->offset < rintf(p->offset)) && !(p->offset > rintf(p->offset)),
                  "%s of %s: offset %g", o->name, kind, (double) p->offset);
    if (f->props & PPQ_Q_SYMMETRIC)
        ck_assert_msg(fabsf(p->offset) <= 0, "%s of %s: offset %g", o->name, kind,
                      (double) p->offset);
    const float nothing = 0;
    float y = 1;
    ppq_fake_quant(&nothing, &y, 1, p);
    ck_assert_msg(fabsf(y) <= 0, "%s of %s: zero becomes %g", o->name, kind, (double) y);
    int e;
    if (f->props & PPQ_Q_POW2)
        ck_assert_msg(fabsf(frexpf(p->scale, &e)) <= 0.5f, "%s of %s: scale %g is no power of two",
                      o->name, kind, (double) p->scale);
}

START_TEST(parameters_are_legal_for_any_data)
{
    const ppq_observer *o = ppq_builtin_observers[_i];
    for (size_t k = 0; k < PPQ_COUNT(kinds); k++) {
        float *x = draw(k);
        ppq_stats *s = observed(x, N);
        for (size_t f = 0; f < PPQ_COUNT(formats); f++) {
            ck_assert(ppq_qfmt_check(&formats[f]));
            const ppq_qparam p = rendered(o, s, &formats[f]);
            check_params(o, kinds[k].name, &formats[f], &p);
        }
        ppq_stats_destroy(s);
        free(x);
    }
}
END_TEST

START_TEST(nothing_observed_gives_legal_parameters)
{
    const ppq_observer *o = ppq_builtin_observers[_i];
    ppq_stats *s = observed(NULL, 0);
    for (size_t f = 0; f < PPQ_COUNT(formats); f++) {
        const ppq_qparam p = rendered(o, s, &formats[f]);
        check_params(o, "nothing", &formats[f], &p);
    }
    ppq_stats_destroy(s);
}
END_TEST

// No observer may do far worse than using the whole range.
START_TEST(error_stays_near_that_of_the_whole_range)
{
    const ppq_observer *o = ppq_builtin_observers[_i];
    const ppq_observer *minmax = NULL;
    for (const ppq_observer *const *p = ppq_builtin_observers; *p; p++)
        if (strcmp((*p)->name, "minmax") == 0)
            minmax = *p;
    ck_assert_ptr_nonnull(minmax);
    const bool best = strcmp(o->name, "mse") == 0;
    for (size_t k = 0; k < 3; k++) { // the well-behaved kinds
        float *x = draw(k);
        ppq_stats *s = observed(x, N);
        for (size_t f = 0; f < 4; f++) {
            const ppq_qparam p = rendered(o, s, &formats[f]);
            const ppq_qparam all = rendered(minmax, s, &formats[f]);
            const double e = ppq_quant_error(x, N, &p), whole = ppq_quant_error(x, N, &all);
            ck_assert_msg(e <= whole * (best ? 1.01 : 100), "%s of %s, format %zu: %g, minmax %g",
                          o->name, kinds[k].name, f, e, whole);
        }
        ppq_stats_destroy(s);
        free(x);
    }
}
END_TEST

// ---- order and threads ----------------------------------------------------------------------

typedef struct crowd {
    ppq_stats *s;
    const float *x;
    int64_t chunk;
    ppq_stats_scratch *scratch[4];
} crowd;

static void observe_chunk(void *user, int64_t i, int worker)
{
    crowd *c = user;
    const int64_t at = i * c->chunk;
    ppq_stats_observe(c->s, c->x + at, PPQ_MIN(c->chunk, N - at), c->scratch[worker]);
}

static ppq_stats *observed_by_crowd(const float *x, int64_t chunk, int threads)
{
    crowd c = { ppq_stats_create(true), x, chunk, { NULL } };
    for (int i = 0; i < 4; i++)
        c.scratch[i] = ppq_stats_scratch_create();
    ppq_parallel_for(threads, (N + chunk - 1) / chunk, observe_chunk, &c);
    for (int i = 0; i < 4; i++)
        ppq_stats_scratch_destroy(c.scratch[i]);
    return c.s;
}

static void reverse(float *x)
{
    for (int i = 0; i < N / 2; i++) {
        const float t = x[i];
        x[i] = x[N - 1 - i];
        x[N - 1 - i] = t;
    }
}

static void check_same(const ppq_observer *o, const char *kind, const ppq_stats *a,
                       const ppq_stats *b)
{
    for (size_t f = 0; f < PPQ_COUNT(formats); f++) {
        const ppq_qparam p = rendered(o, a, &formats[f]), q = rendered(o, b, &formats[f]);
        ck_assert_msg(memcmp(&p.scale, &q.scale, sizeof(float)) == 0 &&
                          memcmp(&p.offset, &q.offset, sizeof(float)) == 0,
                      "%s of %s: %.9g and %.9g", o->name, kind, (double) p.scale, (double) q.scale);
    }
}

START_TEST(order_chunks_and_threads_do_not_matter)
{
    const ppq_observer *o = ppq_builtin_observers[_i];
    for (size_t k = 0; k < PPQ_COUNT(kinds); k++) {
        float *x = draw(k);
        ppq_stats *whole = observed(x, N);
        static const int64_t chunks[] = { 1, 33, 1000, 7919 };
        for (size_t c = 0; c < PPQ_COUNT(chunks); c++) {
            if (chunks[c] == 1 && k != 0)
                continue; // slow, and the same for all kinds
            reverse(x);
            ppq_stats *s = observed_by_crowd(x, chunks[c], (int) c + 1);
            check_same(o, kinds[k].name, whole, s);
            ppq_stats_destroy(s);
        }
        ppq_stats_destroy(whole);
        free(x);
    }
}
END_TEST

// ---- single observers -----------------------------------------------------------------------

static const ppq_observer *observer(const char *name)
{
    for (const ppq_observer *const *p = ppq_builtin_observers; *p; p++)
        if (strcmp((*p)->name, name) == 0)
            return *p;
    ck_abort_msg("no observer %s", name);
}

START_TEST(minmax_takes_the_exact_range)
{
    const float x[] = { -1, 0.5f, 4.1f };
    ppq_stats *s = observed(x, 3);
    const ppq_qfmt u8 = PPQ_FMT_U8_ASYM, s8 = PPQ_FMT_S8_NARROW;
    const ppq_qparam a = rendered(observer("minmax"), s, &u8);
    SAME(a.scale, (float) ((1 + (double) 4.1f) / 255));
    SAME(a.offset, 50);
    const ppq_qparam b = rendered(observer("minmax"), s, &s8);
    SAME(b.scale, 4.1f / 127);
    ppq_stats_destroy(s);
}
END_TEST

// The range always holds zero, so that padding is exact.
START_TEST(minmax_widens_a_one_sided_range_to_zero)
{
    const float x[] = { 5, 10 };
    ppq_stats *s = observed(x, 2);
    const ppq_qfmt u8 = PPQ_FMT_U8_ASYM;
    const ppq_qparam p = rendered(observer("minmax"), s, &u8);
    SAME(p.scale, (float) (10.0 / 255));
    SAME(p.offset, 0);
    ppq_stats_destroy(s);
}
END_TEST

// 32 samples of 1000 values: the cut would take three values, all of them telling.
START_TEST(percentile_leaves_small_tensors_alone)
{
    enum { SAMPLES = 32, SIZE = 1000 };
    static float x[SAMPLES * SIZE];
    ppq_rng r = ppq_rng_seed(33, 0);
    for (int i = 0; i < SAMPLES * SIZE; i++)
        x[i] = (float) ppq_rng_normal(&r);
    x[777] = 9;
    x[778] = -11;
    ppq_stats *s = observed(x, SAMPLES * SIZE);
    const ppq_qfmt u8 = PPQ_FMT_U8_ASYM;
    const ppq_qparam p = rendered(observer("percentile"), s, &u8);
    SAME(p.scale, (float) (20.0 / 255));
    ppq_stats_destroy(s);
}
END_TEST

START_TEST(percentile_cuts_the_tails_of_large_tensors)
{
    enum { LARGE = 1000000 };
    float *x = calloc(LARGE, sizeof(*x));
    ck_assert_ptr_nonnull(x);
    ppq_rng r = ppq_rng_seed(34, 0);
    for (int i = 0; i < LARGE; i++)
        x[i] = (float) ppq_rng_uniform(&r);
    for (int i = 0; i < 20; i++)
        x[i * 1000] = 1000;
    ppq_stats *s = observed(x, LARGE);
    const ppq_qfmt u8 = PPQ_FMT_U8_ASYM;
    const ppq_qparam p = rendered(observer("percentile"), s, &u8);
    ck_assert_msg(p.scale * 255 > 0.99f && p.scale * 255 < 1.02f, "covers %g",
                  (double) p.scale * 255);
    ppq_stats_destroy(s);
    free(x);
}
END_TEST

START_TEST(mse_and_kl_clip_a_lonely_outlier)
{
    static const char *const names[] = { "mse", "kl" };
    enum { LARGE = 1000000 };
    float *x = calloc(LARGE, sizeof(*x));
    ppq_rng r = ppq_rng_seed(35, 0);
    for (int i = 0; i < LARGE; i++)
        x[i] = (float) ppq_rng_normal(&r);
    x[5] = 100;
    ppq_stats *s = observed(x, LARGE);
    const ppq_qfmt s4 = PPQ_FMT(PPQ_Q_SYMMETRIC | PPQ_Q_LINEAR | PPQ_Q_PER_TENSOR, 4, -8, 7);
    const ppq_qparam p = rendered(observer(names[_i]), s, &s4);
    ck_assert_msg(p.scale * 8 < 20, "%s covers %g", names[_i], (double) p.scale * 8);
    ppq_stats_destroy(s);
    free(x);
}
END_TEST

START_TEST(values_that_are_not_finite_are_counted_and_left_out)
{
    const float x[] = { 1, NAN, -2, INFINITY, -INFINITY, 3 };
    ppq_stats *s = observed(x, 6);
    const ppq_range r = ppq_stats_range(s);
    ck_assert_uint_eq(r.count, 6);
    ck_assert_uint_eq(r.nonfinite, 3);
    SAME(r.min, -2);
    SAME(r.max, 3);
    ppq_cell *c;
    double sum = 0;
    const size_t n = ppq_stats_cells(s, &c);
    for (size_t i = 0; i < n; i++)
        sum += c[i].count;
    ck_assert_double_eq_tol(sum, 3, 1e-12);
    free(c);
    ppq_stats_destroy(s);
}
END_TEST

START_TEST(cells_ascend_and_count_everything)
{
    float *x = draw((size_t) _i);
    ppq_stats *s = observed(x, N);
    ppq_cell *c;
    const size_t n = ppq_stats_cells(s, &c);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        ck_assert(c[i].count > 0 && c[i].lo <= c[i].hi);
        ck_assert(!i || c[i - 1].hi <= c[i].lo);
        sum += c[i].count;
    }
    ck_assert_double_eq_tol(sum, N, 1e-9);
    free(c);
    ppq_stats_destroy(s);
    free(x);
}
END_TEST

int main(void)
{
    const int n = REGISTRY_SIZE(ppq_builtin_observers);
    const test_entry tests[] = {
        { parameters_are_legal_for_any_data, n },
        { nothing_observed_gives_legal_parameters, n },
        { error_stays_near_that_of_the_whole_range, n },
        { order_chunks_and_threads_do_not_matter, n },
        { minmax_takes_the_exact_range, 1 },
        { minmax_widens_a_one_sided_range_to_zero, 1 },
        { percentile_leaves_small_tensors_alone, 1 },
        { percentile_cuts_the_tails_of_large_tensors, 1 },
        { mse_and_kl_clip_a_lonely_outlier, 2 },
        { values_that_are_not_finite_are_counted_and_left_out, 1 },
        { cells_ascend_and_count_everything, (int) PPQ_COUNT(kinds) },
    };
    return run_tests("observers", tests, PPQ_COUNT(tests));
}
