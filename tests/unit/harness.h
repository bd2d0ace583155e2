#ifndef PPQ_TESTS_UNIT_HARNESS_H
#define PPQ_TESTS_UNIT_HARNESS_H

// What unit tests share: graphs made by hand, messages, running a list of tests. Header only;
// every test program uses a part of it.

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ext.h"
#include "core/op_def.h"
#include "core/rng.h"
#include "executor/exec.h"

#if defined(__GNUC__)
#define HELPER static __attribute__((unused))
#else
#define HELPER static
#endif

#define SHAPE(...)                                                                 \
    ((ppq_shape){ .rank = (int32_t) PPQ_COUNT(((const int64_t[]){ __VA_ARGS__ })), \
                  .dim = { __VA_ARGS__ } })

HELPER const char *last_message(const ppq_diag *d)
{
    const size_t n = ppq_diag_count(d, PPQ_SEV_NOTE);
    return n ? ppq_diag_at(d, n - 1)->msg : "(no message)";
}

#define OK(d, expr) ck_assert_msg((expr) == PPQ_OK, "%s: %s", #expr, last_message(d))
// Fails with one more error, whose text has `part` in it.
#define FAILS(d, expr, code, part)                                                              \
    do {                                                                                        \
        const size_t fails_before_ = ppq_diag_count((d), PPQ_SEV_ERROR);                        \
        ck_assert_int_eq((expr), (code));                                                       \
        ck_assert_uint_eq(ppq_diag_count((d), PPQ_SEV_ERROR), fails_before_ + 1);               \
        ck_assert_msg(strstr(last_message(d), (part)) != NULL, "message: %s", last_message(d)); \
    } while (0)

// Floats, compared as they are.
#define SAME(got, want)                                                                  \
    ck_assert_msg((got) >= (want) && (got) <= (want), "%s is %.9g, expected %.9g", #got, \
                  (double) (got), (double) (want))
#define DIFFER(a, b) ck_assert_msg((a) < (b) || (a) > (b), "%s and %s are the same", #a, #b)
#define NEAR(got, want, tolerance)                                                \
    ck_assert_msg(fabs((double) (got) - (double) (want)) <= (double) (tolerance), \
                  "%s is %.9g, expected %.9g", #got, (double) (got), (double) (want))

// ---- tensors --------------------------------------------------------------------------------

HELPER ppq_tensor tensor_new(ppq_dtype dt, ppq_shape s)
{
    ppq_tensor t;
    ck_assert_int_eq(ppq_tensor_alloc(&t, dt, &s), PPQ_OK);
    return t;
}

HELPER ppq_tensor tensor_f32(ppq_shape s, const float *values)
{
    ppq_tensor t = tensor_new(PPQ_DT_F32, s);
    if (ppq_tensor_bytes(&t))
        memcpy(ppq_f32(&t), values, ppq_tensor_bytes(&t));
    return t;
}

// Normal numbers, the same for the same stream.
HELPER ppq_tensor tensor_normal(ppq_shape s, uint64_t stream)
{
    ppq_tensor t = tensor_new(PPQ_DT_F32, s);
    ppq_rng r = ppq_rng_seed(1, stream);
    for (int64_t i = 0; i < ppq_shape_numel(&s); i++)
        ppq_f32(&t)[i] = (float) ppq_rng_normal(&r);
    return t;
}

// ---- graphs ---------------------------------------------------------------------------------

typedef struct world {
    ppq_graph *g;
    ppq_diag *d;
    ppq_arena *a;
} world;

HELPER world world_new(void)
{
    world w = { ppq_graph_create(), ppq_diag_create(NULL, NULL), ppq_arena_create("test") };
    ppq_graph_set_opset(w.g, "", 17);
    return w;
}

HELPER void world_end(world *w)
{
    ppq_graph_destroy(w->g);
    ppq_diag_destroy(w->d);
    ppq_arena_destroy(w->a);
}

HELPER ppq_var *add_input(world *w, const char *name, ppq_shape s)
{
    ppq_var *v = ppq_graph_add_var(w->g, name);
    v->dtype = PPQ_DT_F32;
    v->shape = s;
    ppq_graph_mark_input(w->g, v);
    return v;
}

HELPER ppq_var *add_const(world *w, const char *name, ppq_tensor t)
{
    return ppq_graph_add_const(w->g, name, &t);
}

// An op with one output, inputs up to the first NULL.
HELPER ppq_op *add_op(world *w, const char *type, ppq_var *a, ppq_var *b, ppq_var *c)
{
    ppq_var *in[] = { a, b, c };
    const int32_t n = c ? 3 : b ? 2 : a ? 1 : 0;
    ppq_op *op = ppq_graph_add_op(w->g, "", type, NULL, n, 1);
    op->def = ppq_op_def_find("", type);
    for (int32_t k = 0; k < n; k++)
        ppq_graph_set_input(w->g, op, k, in[k]);
    ppq_graph_set_output(w->g, op, 0, ppq_graph_add_var(w->g, NULL));
    return op;
}

HELPER size_t count_type(const ppq_graph *g, const char *type)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_ops; i++)
        n += ppq_op_is(g->ops[i], type);
    return n;
}

// The first output of a graph with one input, on plain kernels.
HELPER ppq_tensor run_graph(const ppq_graph *g, const ppq_tensor *feed, ppq_diag *d)
{
    const ppq_exec_opts o = { .reference = true };
    ppq_exec *e;
    OK(d, ppq_exec_create(g, &o, &e, d));
    ppq_tensor out[4] = { 0 };
    ck_assert_int_le(g->n_outputs, 4);
    OK(d, ppq_exec_run(e, feed, out, NULL, d));
    ppq_exec_destroy(e);
    for (int i = 1; i < 4; i++)
        ppq_tensor_unref(&out[i]);
    return out[0];
}

HELPER void check_near(const ppq_tensor *got, const ppq_tensor *want, double tolerance)
{
    ck_assert_int_eq(got->dtype, PPQ_DT_F32);
    ck_assert(ppq_shape_equal(&got->shape, &want->shape));
    double peak = 1;
    for (int64_t i = 0; i < ppq_shape_numel(&want->shape); i++)
        peak = fmax(peak, fabs((double) ppq_f32(want)[i]));
    for (int64_t i = 0; i < ppq_shape_numel(&want->shape); i++)
        ck_assert_msg(fabs((double) ppq_f32(got)[i] - (double) ppq_f32(want)[i]) <=
                          tolerance * peak,
                      "element %lld: %g, expected %g", (long long) i, (double) ppq_f32(got)[i],
                      (double) ppq_f32(want)[i]);
}

// ---- running --------------------------------------------------------------------------------

typedef struct test_entry {
    const TTest *test;
    int n; // how often, with _i from 0
} test_entry;

HELPER int run_tests(const char *name, const test_entry *tests, size_t n)
{
    Suite *s = suite_create(name);
    for (size_t i = 0; i < n; i++) {
        TCase *tc = tcase_create(tests[i].test->name);
        tcase_set_timeout(tc, 120);
        tcase_add_loop_test(tc, tests[i].test, 0, tests[i].n);
        suite_add_tcase(s, tc);
    }
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

// Entries of a NULL-terminated registry.
#define REGISTRY_SIZE(list) registry_size((const void *const *) (list))
HELPER int registry_size(const void *const *list)
{
    int n = 0;
    while (list[n])
        n++;
    return n;
}

#endif
