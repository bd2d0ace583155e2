// How the engine runs: the same for any number of threads, without allocating from the second time
// on, with weights that leave the graph if it may be spent; what it refuses; what it decides.

#include <pthread.h>

#include "executor/dnnl/compat.h"
#include "tests/unit/engine_cases.h"

// ---- counting allocations -------------------------------------------------------------------

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__clang__)
#define COUNTS_ALLOCATIONS 1
static size_t counting, allocations, allocated;
void *__libc_malloc(size_t n);
void *malloc(size_t n)
{
    allocations += counting;
    allocated += counting * n;
    return __libc_malloc(n);
}
#endif
// ---- threads and memory ---------------------------------------------------------------------

START_TEST(threads_do_not_show)
{
    const net_case *c = &cases[_i];
    for (int v = 0; v < c->variants; v += 5) {
        world w = build(c, v);
        ppq_tensor x = tensor_normal(c->in, 98), y[4];
        for (int n = 1; n <= 4; n++) {
            const ppq_engine_opts o = { .n_threads = n };
            ppq_engine *e;
            OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
            y[n - 1] = run_once(&w, e, &x);
            ppq_engine_destroy(e);
            ck_assert_msg(ppq_tensor_equal(&y[0], &y[n - 1]), "%s %d: %d threads", c->name, v, n);
        }
        for (int n = 0; n < 4; n++)
            ppq_tensor_unref(&y[n]);
        ppq_tensor_unref(&x);
        world_end(&w);
    }
}
END_TEST

typedef struct runner {
    world *w;
    ppq_engine *e;
    ppq_tensor x, want;
    int wrong;
} runner;

static void *run_often(void *user)
{
    runner *r = user;
    for (int i = 0; i < 20; i++) {
        ppq_tensor y;
        if (ppq_engine_run(r->e, &r->x, &y, NULL, NULL, r->w->d) != PPQ_OK) {
            r->wrong++;
            continue;
        }
        r->wrong += !ppq_tensor_equal(&y, &r->want);
        ppq_tensor_unref(&y);
    }
    return NULL;
}

START_TEST(one_engine_serves_several_threads)
{
    const net_case *c = &cases[_i];
    world w = build(c, 1);
    ppq_engine *e;
    const ppq_engine_opts o = { .n_threads = 1 };
    OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
    runner r[4];
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        r[i] = (runner){ .w = &w, .e = e, .x = tensor_normal(c->in, (uint64_t) (200 + i)) };
        r[i].want = run_once(&w, e, &r[i].x);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, run_often, &r[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        ck_assert_int_eq(r[i].wrong, 0);
        ppq_tensor_unref(&r[i].x);
        ppq_tensor_unref(&r[i].want);
    }
    ppq_engine_destroy(e);
    world_end(&w);
}
END_TEST

#ifdef COUNTS_ALLOCATIONS
// oneDNN itself makes a small table of arguments for every execution; nothing else is allowed.
enum { LIBRARY_BYTES = 2048 };

static size_t library_steps(const ppq_engine *e)
{
    size_t n = 0;
    for (size_t i = 0; i < ppq_engine_n_steps(e); i++)
        n += strchr(ppq_engine_get_step(e, i).kernel, ':') != NULL ||
             strncmp(ppq_engine_get_step(e, i).kernel, "dnnl-", 5) == 0;
    return n;
}

START_TEST(a_second_run_allocates_nothing)
{
    const net_case *c = &cases[_i];
    for (int v = 0; v < c->variants; v += 3) {
        world w = build(c, v);
        ppq_engine *e;
        const ppq_engine_opts o = { .n_threads = 1 };
        OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
        ppq_tensor x = tensor_normal(c->in, 97), y;
        for (int i = 0; i < 3; i++) {
            allocations = allocated = 0;
            counting = i == 2;
            const ppq_status st = ppq_engine_run(e, &x, &y, NULL, NULL, w.d);
            counting = 0;
            OK(w.d, st);
            ppq_tensor_unref(&y);
        }
        const size_t n = library_steps(e);
        ck_assert_msg(n || !allocations, "%s %d: %zu allocations", c->name, v, allocations);
        ck_assert_msg(allocated <= n * LIBRARY_BYTES, "%s %d: %zu bytes in %zu steps", c->name, v,
                      allocated, n);
        ppq_tensor_unref(&x);
        ppq_engine_destroy(e);
        world_end(&w);
    }
}
END_TEST
#endif

static bool is_weight(const ppq_var *v)
{
    return ppq_var_is_const(v) && v->n_uses == 1 && v->uses[0].slot == 1 &&
           ppq_op_is(v->uses[0].op, "Conv");
}

// A graph that may be spent gives its weights away, and means the same.
START_TEST(spent_weights_are_gone)
{
    const net_case *c = &cases[_i];
    for (int v = 0; v < c->variants; v += 3) {
        world w = build(c, v);
        ppq_graph *copy;
        ppq_engine *e[2];
        OK(w.d, ppq_graph_clone(w.g, &copy, w.d));
        const ppq_engine_opts kept = { .n_threads = 1 }, spent = { .n_threads = 1, .spend = true };
        OK(w.d, ppq_engine_create(w.g, &kept, &e[0], w.d));
        OK(w.d, ppq_engine_create(copy, &spent, &e[1], w.d));
        for (size_t i = 0; i < copy->n_vars; i++) // the same ids
            if (is_weight(w.g->vars[i]))
                ck_assert(!copy->vars[i]->value.buf);
        ppq_tensor x = tensor_normal(c->in, 95), a, b;
        OK(w.d, ppq_engine_run(e[0], &x, &a, NULL, NULL, w.d));
        OK(w.d, ppq_engine_run(e[1], &x, &b, NULL, NULL, w.d));
        ck_assert(ppq_tensor_equal(&a, &b));
        ppq_tensor_unref(&x);
        ppq_tensor_unref(&a);
        ppq_tensor_unref(&b);
        ppq_engine_destroy(e[0]);
        ppq_engine_destroy(e[1]);
        ppq_graph_destroy(copy);
        world_end(&w);
    }
}
END_TEST

// ---- errors ---------------------------------------------------------------------------------

START_TEST(wrong_inputs_are_named)
{
    world w = build(&cases[0], 0);
    ppq_engine *e;
    const ppq_engine_opts o = { .n_threads = 1 };
    OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
    ppq_tensor none = { 0 }, y, small = tensor_normal(SHAPE(1, 8, 9, 12), 1);
    ppq_tensor ints = tensor_new(PPQ_DT_I32, cases[0].in);
    FAILS(w.d, ppq_engine_run(e, &none, &y, NULL, NULL, w.d), PPQ_ERR_DATA, "'x' is not given");
    FAILS(w.d, ppq_engine_run(e, &small, &y, NULL, NULL, w.d), PPQ_ERR_DATA, "2x8x9x12");
    FAILS(w.d, ppq_engine_run(e, &ints, &y, NULL, NULL, w.d), PPQ_ERR_DATA, "float32");
    ppq_tensor_unref(&small);
    ppq_tensor_unref(&ints);
    ppq_engine_destroy(e);
    world_end(&w);
}
END_TEST

START_TEST(open_shapes_and_unknown_ops_are_refused)
{
    world w = world_new();
    ppq_var *x = add_input(&w, "x", SHAPE(PPQ_DIM_UNKNOWN, 3));
    finish(&w, add_op(&w, "Relu", x, NULL, NULL)->out[0]);
    const ppq_engine_opts o = { .n_threads = 1 };
    ppq_engine *e;
    FAILS(w.d, ppq_engine_create(w.g, &o, &e, w.d), PPQ_ERR_SHAPE, "'x' is not known");
    world_end(&w);
    w = world_new();
    finish(&w, add_op(&w, "Rellu", add_input(&w, "x", SHAPE(2)), NULL, NULL)->out[0]);
    FAILS(w.d, ppq_engine_create(w.g, &o, &e, w.d), PPQ_ERR_UNSUPPORTED, "nearest: Relu");
    world_end(&w);
}
END_TEST

// Shapes that depend on values, sequences, and fixed shapes again behind them.
START_TEST(values_may_decide_shapes)
{
    world w = world_new();
    ppq_graph_set_opset(w.g, "", 17);
    ppq_var *x = add_input(&w, "x", SHAPE(2, 3));
    ppq_op *nz = add_op(&w, "NonZero", add_op(&w, "Relu", x, NULL, NULL)->out[0], NULL, NULL);
    ppq_op *parts = add_op(&w, "SplitToSequence", nz->out[0], NULL, NULL);
    ppq_tensor zero = tensor_new(PPQ_DT_I64, (ppq_shape){ .rank = 0 });
    ppq_i64(&zero)[0] = 0;
    ppq_op *first = add_op(&w, "SequenceAt", parts->out[0], add_const(&w, "zero", zero), NULL);
    ppq_op *sum = add_op(&w, "ReduceSum", first->out[0], NULL, NULL);
    ppq_op_set_int(w.g, sum, "keepdims", 0);
    ppq_op *cast = add_op(&w, "Cast", sum->out[0], NULL, NULL);
    ppq_op_set_int(w.g, cast, "to", PPQ_DT_F32);
    finish(&w, add_op(&w, "Add", x, cast->out[0], NULL)->out[0]);
    ppq_graph_compact(w.g);
    ppq_tensor in = tensor_f32(SHAPE(2, 3), (const float[]){ 1, -1, 2, -3, 4, 5 }), y;
    const ppq_engine_opts o = { .n_threads = 1 };
    ppq_engine *e;
    OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
    for (int i = 0; i < 2; i++) {
        OK(w.d, ppq_engine_run(e, &in, &y, NULL, NULL, w.d));
        SAME(ppq_f32(&y)[0], 1.0f + 2); // rows of the non-zeros: 0 0 1 1
        ppq_tensor_unref(&y);
    }
    ppq_tensor_unref(&in);
    ppq_engine_destroy(e);
    world_end(&w);
    // A sequence where a tensor is expected.
    w = world_new();
    x = add_input(&w, "x", SHAPE(2, 3));
    finish(&w, add_op(&w, "Relu", add_op(&w, "SplitToSequence", x, NULL, NULL)->out[0], NULL, NULL)
                   ->out[0]);
    FAILS(w.d, ppq_engine_create(w.g, &o, &e, w.d), PPQ_ERR_SHAPE, "expected a tensor");
    world_end(&w);
}
END_TEST

// A lone quantized op that is too small to pay stays in float, unless it is asked for.
START_TEST(lone_integer_ops_are_weighed)
{
    for (int eager = 0; eager < 2; eager++) {
        world w = world_new();
        ppq_var *x = add_input(&w, "x", SHAPE(1, 8, 9, 9));
        ppq_var *s = add_op(&w, "Softplus", x, NULL, NULL)->out[0];
        ppq_var *c =
            conv(&w, pair(&w, s, &u8), weights(&w, SHAPE(8, 8, 1, 1), 0, 3), NULL, 1, 1, 0)->out[0];
        finish(&w, add_op(&w, "Softplus", c, NULL, NULL)->out[0]);
        const ppq_engine_opts o = { .eager = eager != 0 };
        ppq_engine *e;
        ppq_graph_compact(w.g);
        OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
        ck_assert_uint_eq(ppq_engine_get_info(e)->n_left_float, !eager);
        ck_assert_uint_eq(ppq_engine_get_info(e)->n_int8, (size_t) eager);
        ppq_engine_destroy(e);
        world_end(&w);
    }
}
END_TEST

// The grid of a lone op may stand for a ReLU: without its rounding it still clamps.
START_TEST(ops_left_in_float_keep_the_range)
{
    world w = world_new();
    ppq_var *x = add_input(&w, "x", SHAPE(1, 8, 9, 9));
    ppq_var *n =
        add_op(&w, "Neg", add_op(&w, "Softplus", x, NULL, NULL)->out[0], NULL, NULL)->out[0];
    ppq_var *c =
        conv(&w, pair(&w, n, &u8_relu), weights(&w, SHAPE(8, 8, 1, 1), 0, 3), NULL, 1, 1, 0)
            ->out[0];
    finish(&w, add_op(&w, "Softplus", c, NULL, NULL)->out[0]);
    const ppq_engine_opts o = { .n_threads = 1 };
    ppq_engine *e;
    ppq_graph_compact(w.g);
    OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
    ck_assert_uint_eq(ppq_engine_get_info(e)->n_left_float, 1);
    ppq_tensor in = tensor_normal(SHAPE(1, 8, 9, 9), 96), y = run_once(&w, e, &in);
    for (int64_t i = 0; i < ppq_shape_numel(&y.shape); i++)
        NEAR(ppq_f32(&y)[i], log(2), 1e-5);
    ppq_tensor_unref(&in);
    ppq_tensor_unref(&y);
    ppq_engine_destroy(e);
    world_end(&w);
}
END_TEST

// Where sums of 16 bits can overflow, that is avoided, or counted when asked for.
START_TEST(saturation_is_known)
{
    if (ppq_dnnl_exact_u8s8())
        return;
    for (int saturate = 0; saturate < 2; saturate++) {
        world w = world_new();
        ppq_tensor q = tensor_new(PPQ_DT_I8, SHAPE(8, 8, 1, 1)),
                   scale = tensor_new(PPQ_DT_F32, SHAPE(1));
        memset(ppq_tensor_data(&q), 100, ppq_tensor_bytes(&q));
        ppq_f32(&scale)[0] = 0.01f;
        ppq_var *k =
            add_op(&w, "DequantizeLinear", add_const(&w, "w", q), add_const(&w, "ws", scale), NULL)
                ->out[0];
        ppq_var *x = pair(&w, add_input(&w, "x", SHAPE(1, 8, 9, 9)), &u8);
        finish(&w, pair(&w, conv(&w, x, k, NULL, 1, 1, 0)->out[0], &u8));
        const ppq_engine_opts o = { .eager = true, .saturate = saturate != 0 };
        ppq_engine *e;
        ppq_graph_compact(w.g);
        OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
        ck_assert_uint_eq(ppq_engine_get_info(e)->n_saturating, (size_t) saturate);
        ck_assert_uint_eq(ppq_engine_get_info(e)->n_exact, !saturate);
        ck_assert_int_eq(has_kernel(e, "conv exact"), !saturate);
        ppq_engine_destroy(e);
        world_end(&w);
    }
}
END_TEST

int main(void)
{
    const int n = (int) PPQ_COUNT(cases);
    const test_entry tests[] = {
        { threads_do_not_show, n },
        { one_engine_serves_several_threads, n },
#ifdef COUNTS_ALLOCATIONS
        { a_second_run_allocates_nothing, n },
#endif
        { spent_weights_are_gone, n },
        { wrong_inputs_are_named, 1 },
        { open_shapes_and_unknown_ops_are_refused, 1 },
        { values_may_decide_shapes, 1 },
        { lone_integer_ops_are_weighed, 1 },
        { ops_left_in_float_keep_the_range, 1 },
        { saturation_is_known, 1 },
    };
    return run_tests("engine-run", tests, PPQ_COUNT(tests));
}
