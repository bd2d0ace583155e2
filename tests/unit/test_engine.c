// The engine means what the graph says: in float as the executor computes it, on integers within
// one quantum of the simulation.

#include "tests/unit/engine_cases.h"

// ---- comparing ------------------------------------------------------------------------------

typedef struct seen {
    const ppq_graph *g;
    ppq_tensor *value; // per var id, integers only, plain
} seen;

static ppq_status keep(seen *s, const ppq_var *v, const ppq_tensor *t)
{
    if (t->dtype != PPQ_DT_U8 && t->dtype != PPQ_DT_I8)
        return PPQ_OK;
    ppq_tensor_unref(&s->value[v->id]);
    PPQ_TRY(ppq_tensor_to_layout(t, PPQ_LAYOUT_PLAIN, NULL, &s->value[v->id]));
    return ppq_tensor_make_unique(&s->value[v->id]);
}

static ppq_status see_op(void *user, const ppq_op *op, ppq_side side, int slot,
                         const ppq_tensor *raw, const ppq_tensor *quant)
{
    (void) raw;
    return side == PPQ_OUT ? keep(user, op->out[slot], quant) : PPQ_OK;
}

static ppq_status see_var(void *user, const ppq_var *v, const ppq_tensor *t)
{
    return keep(user, v, t);
}

static ppq_tensor simulate(world *w, const ppq_tensor *x, seen *s)
{
    const ppq_exec_opts o = { .reference = true };
    const ppq_exec_hook hook = { .user = s, .tensor = see_op };
    ppq_exec *e;
    ppq_tensor y;
    OK(w->d, ppq_exec_create(w->g, &o, &e, w->d));
    OK(w->d, ppq_exec_run(e, x, &y, &hook, w->d));
    ppq_exec_destroy(e);
    return y;
}

static int at(const ppq_tensor *t, size_t i)
{
    return t->dtype == PPQ_DT_U8 ? ((const uint8_t *) ppq_tensor_data(t))[i]
                                 : ((const int8_t *) ppq_tensor_data(t))[i];
}

static void same_integers(const char *name, const seen *a, const seen *b)
{
    for (size_t i = 0; i < a->g->n_vars; i++) {
        const ppq_tensor *x = &a->value[i], *y = &b->value[i];
        if (!x->buf || !y->buf)
            continue;
        ck_assert_int_eq(x->dtype, y->dtype);
        ck_assert(ppq_shape_equal(&x->shape, &y->shape));
        for (size_t k = 0; k < ppq_tensor_bytes(x); k++)
            ck_assert_msg(abs(at(x, k) - at(y, k)) <= 1, "%s: '%s' element %zu is %d, expected %d",
                          name, a->g->vars[i]->name, k, at(y, k), at(x, k));
    }
}

static void free_seen(seen *s)
{
    for (size_t i = 0; i < s->g->n_vars; i++)
        ppq_tensor_unref(&s->value[i]);
    free(s->value);
}

static seen new_seen(const world *w)
{
    return (seen){ w->g, calloc(w->g->n_vars + 1, sizeof(ppq_tensor)) };
}

// Runs the world's graph, which it ends. kernel NULL: any.
static void compare_world(world w, const net_case *c, int variant, const ppq_engine_opts *o,
                          const char *kernel)
{
    ppq_tensor x = tensor_normal(c->in, 99), y;
    seen want = new_seen(&w), got = new_seen(&w);
    ppq_tensor reference = simulate(&w, &x, &want);
    const ppq_engine_tap tap = { .user = &got, .see = see_var };
    ppq_engine *e;
    OK(w.d, ppq_engine_create(w.g, o, &e, w.d));
    char name[64];
    snprintf(name, sizeof(name), "%s %d", c->name, variant);
    ck_assert_msg(!kernel || has_kernel(e, kernel), "%s: no step '%s'", name, kernel);
    OK(w.d, ppq_engine_run(e, &x, &y, &tap, NULL, w.d));
    same_integers(name, &want, &got);
    // The output is float or a dequantized integer: one quantum of the widest grid at most.
    ck_assert(ppq_shape_equal(&y.shape, &reference.shape));
    for (int64_t i = 0; i < ppq_shape_numel(&y.shape); i++)
        ck_assert_msg(fabs((double) ppq_f32(&y)[i] - (double) ppq_f32(&reference)[i]) <= 0.12,
                      "%s: element %lld is %g, expected %g", name, (long long) i,
                      (double) ppq_f32(&y)[i], (double) ppq_f32(&reference)[i]);
    ppq_tensor_unref(&x);
    ppq_tensor_unref(&y);
    ppq_tensor_unref(&reference);
    ppq_engine_destroy(e);
    free_seen(&want);
    free_seen(&got);
    world_end(&w);
}

static void compare(const net_case *c, int variant, const ppq_engine_opts *o, const char *kernel)
{
    compare_world(build(c, variant), c, variant, o, kernel);
}

START_TEST(integers_are_those_of_the_simulation)
{
    const ppq_engine_opts o = { .eager = true };
    for (int v = 0; v < cases[_i].variants; v++)
        compare(&cases[_i], v, &o, cases[_i].kernel);
}
END_TEST

START_TEST(own_kernels_agree_at_every_level)
{
    for (int isa = 0; isa <= (int) ppq_isa_detect(); isa++) {
        const ppq_engine_opts o = { .eager = true, .isa = isa + 1 };
        for (int v = 0; v < cases[_i].variants; v += 7)
            compare(&cases[_i], v, &o, cases[_i].kernel);
    }
}
END_TEST

// The same real weights with eight bits.
static void widen_weights(ppq_graph *g)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        if (!ppq_op_is(op, "DequantizeLinear") || op->in[0]->value.dtype != PPQ_DT_I8)
            continue;
        int8_t *q = ppq_tensor_data(&op->in[0]->value);
        for (int64_t k = 0; k < ppq_shape_numel(&op->in[0]->value.shape); k++)
            q[k] = (int8_t) (q[k] * 2 < -128 ? -128 : q[k] * 2 > 127 ? 127 : q[k] * 2);
        for (int64_t k = 0; k < ppq_shape_numel(&op->in[1]->value.shape); k++)
            ppq_f32(&op->in[1]->value)[k] /= 2;
    }
}

START_TEST(weights_of_eight_bits_do_not_saturate)
{
    const ppq_engine_opts o = { .eager = true };
    for (int v = 0; v < cases[_i].variants; v++) {
        world w = build(&cases[_i], v);
        widen_weights(w.g);
        compare_world(w, &cases[_i], v, &o, NULL);
    }
}
END_TEST

START_TEST(the_library_computes_every_convolution_on_request)
{
    const ppq_engine_opts o = { .eager = true, .onednn_only = true };
    int n = 0;
    for (size_t i = 0; i < PPQ_COUNT(cases); i++)
        if (strcmp(cases[i].kernel, "depthwise") == 0 ||
            strcmp(cases[i].kernel, "quantize image") == 0) {
            for (int v = 0; v < cases[i].variants; v++, n++)
                compare(&cases[i], v, &o, "conv");
        }
    ck_assert_int_gt(n, 0);
}
END_TEST

int main(void)
{
    const int n = (int) PPQ_COUNT(cases);
    const test_entry tests[] = {
        { integers_are_those_of_the_simulation, n },
        { own_kernels_agree_at_every_level, n },
        { weights_of_eight_bits_do_not_saturate, n },
        { the_library_computes_every_convolution_on_request, 1 },
    };
    return run_tests("engine", tests, PPQ_COUNT(tests));
}
