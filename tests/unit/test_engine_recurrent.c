// GRU, LSTM and RNN as steps of the engine: the same bytes as the operators in plain C, at every
// level of instructions and for any number of threads, without allocating once they run.

#include <stdio.h>

#include "executor/engine/engine.h"
#include "executor/engine/kernels/recurrent.h"
#include "tests/unit/harness.h"

enum { MOST_STEPS = 7, MOST_BATCH = 5, INPUT = 11, HIDDEN = 19 };

// What an operator may have, as bits of a variant.
enum {
    WITH_BIAS = 1,
    WITH_LENGTHS = 2,
    WITH_STATES = 4,
    WITH_PEEPHOLES = 8, // LSTM
    WITH_OPTION = 16,   // linear_before_reset or input_forget
    BATCH_FIRST = 32,
    WITH_CLIP = 64,
    INT8_WEIGHTS = 128,
    VARIANTS = 256
};

static const char *const types[] = { "RNN", "GRU", "LSTM" };
static const int n_gates[] = { 1, 3, 4 };

// ---- graphs ---------------------------------------------------------------------------------

// Some variants are so short that the operators do not pack their weights.
static int64_t steps(int v)
{
    return v % 5 ? MOST_STEPS : 1;
}

static int64_t batch(int v)
{
    return v % 5 ? MOST_BATCH : 2;
}

static ppq_var *weights(world *w, ppq_shape s, uint64_t stream)
{
    ppq_tensor t = tensor_normal(s, stream);
    for (int64_t i = 0; i < ppq_shape_numel(&s); i++)
        ppq_f32(&t)[i] *= 0.3f;
    return add_const(w, "w", t);
}

static ppq_var *int8_weights(world *w, ppq_shape s, uint64_t stream)
{
    ppq_tensor q = tensor_new(PPQ_DT_I8, s);
    ppq_rng r = ppq_rng_seed(2, stream);
    for (int64_t i = 0; i < ppq_shape_numel(&s); i++)
        ((int8_t *) ppq_tensor_data(&q))[i] = (int8_t) (ppq_rng_u64(&r) % 255 - 127);
    ppq_tensor scale = tensor_f32((ppq_shape){ .rank = 0 }, (const float[]){ 0.005f });
    return add_op(w, "DequantizeLinear", add_const(w, "q", q), add_const(w, "s", scale), NULL)
        ->out[0];
}

static ppq_var *lengths(world *w, int v)
{
    static const int32_t n[MOST_BATCH] = { 3, 0, MOST_STEPS, 1, MOST_STEPS - 1 };
    ppq_tensor t = tensor_new(PPQ_DT_I32, SHAPE(batch(v)));
    for (int64_t b = 0; b < batch(v); b++)
        ((int32_t *) ppq_tensor_data(&t))[b] = (int32_t) PPQ_MIN(n[b], steps(v));
    return add_const(w, "n", t);
}

static void set_direction(world *w, ppq_op *op, int direction)
{
    static const char *const names[] = { "forward", "reverse", "bidirectional" };
    ppq_op_set_string(w->g, op, "direction", names[direction]);
}

static ppq_shape state_shape(int64_t directions, int v)
{
    return v & BATCH_FIRST ? SHAPE(batch(v), directions, HIDDEN)
                           : SHAPE(directions, batch(v), HIDDEN);
}

static ppq_shape input_shape(int v)
{
    return v & BATCH_FIRST ? SHAPE(batch(v), steps(v), INPUT) : SHAPE(steps(v), batch(v), INPUT);
}

static void set_options(world *w, ppq_op *op, int type, int v)
{
    ppq_op_set_int(w->g, op, "hidden_size", HIDDEN);
    ppq_op_set_int(w->g, op, "layout", (v & BATCH_FIRST) != 0);
    if (v & WITH_CLIP)
        ppq_op_set_float(w->g, op, "clip", 0.4f);
    if (v & WITH_OPTION && type)
        ppq_op_set_int(w->g, op, type == 1 ? "linear_before_reset" : "input_forget", 1);
}

static void add_optional(world *w, ppq_op *op, int type, int64_t d, int v)
{
    const ppq_shape state = state_shape(d, v);
    if (v & WITH_BIAS)
        ppq_graph_set_input(w->g, op, PPQ_RECURRENT_B,
                            weights(w, SHAPE(d, 2 * n_gates[type] * HIDDEN), 5));
    if (v & WITH_LENGTHS)
        ppq_graph_set_input(w->g, op, PPQ_RECURRENT_LENGTHS, lengths(w, v));
    if (v & WITH_STATES)
        ppq_graph_set_input(w->g, op, PPQ_RECURRENT_H, weights(w, state, 6));
    if (v & WITH_STATES && type == 2)
        ppq_graph_set_input(w->g, op, PPQ_RECURRENT_C, weights(w, state, 7));
    if (v & WITH_PEEPHOLES && type == 2)
        ppq_graph_set_input(w->g, op, PPQ_RECURRENT_P, weights(w, SHAPE(d, 3 * HIDDEN), 8));
}

static world build(int type, int direction, int v)
{
    world w = world_new();
    ppq_graph_set_opset(w.g, "", 14);
    const int64_t d = direction == 2 ? 2 : 1, rows = n_gates[type] * HIDDEN;
    const int n_out = type == 2 ? 3 : 2;
    ppq_op *op = ppq_graph_add_op(w.g, "", types[type], NULL, type == 2 ? 8 : 6, n_out);
    op->def = ppq_op_def_find("", types[type]);
    ppq_var *(*make)(world *, ppq_shape, uint64_t) = v & INT8_WEIGHTS ? int8_weights : weights;
    ppq_graph_set_input(w.g, op, PPQ_RECURRENT_X, add_input(&w, "x", input_shape(v)));
    ppq_graph_set_input(w.g, op, PPQ_RECURRENT_W, make(&w, SHAPE(d, rows, INPUT), 3));
    ppq_graph_set_input(w.g, op, PPQ_RECURRENT_R, make(&w, SHAPE(d, rows, HIDDEN), 4));
    add_optional(&w, op, type, d, v);
    set_direction(&w, op, direction);
    set_options(&w, op, type, v);
    for (int k = 0; k < n_out; k++) {
        ppq_var *y = ppq_graph_add_var(w.g, NULL);
        ppq_graph_set_output(w.g, op, k, y);
        ppq_graph_mark_output(w.g, y);
    }
    ppq_graph_compact(w.g);
    OK(w.d, ppq_graph_verify(w.g, w.d));
    return w;
}

// ---- comparing ------------------------------------------------------------------------------

static void run_plain(world *w, const ppq_tensor *x, ppq_tensor *y)
{
    const ppq_exec_opts o = { .reference = true };
    ppq_exec *e;
    OK(w->d, ppq_exec_create(w->g, &o, &e, w->d));
    OK(w->d, ppq_exec_run(e, x, y, NULL, w->d));
    ppq_exec_destroy(e);
}

static void run_engine(world *w, int threads, int isa, const ppq_tensor *x, ppq_tensor *y)
{
    const ppq_engine_opts o = { .n_threads = threads, .isa = 1 + isa };
    ppq_engine *e;
    OK(w->d, ppq_engine_create(w->g, &o, &e, w->d));
    ck_assert_str_eq(ppq_engine_get_step(e, 0).kernel, "recurrent");
    OK(w->d, ppq_engine_run(e, x, y, NULL, NULL, w->d));
    ppq_engine_destroy(e);
}

static void compare(int type, int direction, int v)
{
    world w = build(type, direction, v);
    ppq_tensor x = tensor_normal(input_shape(v), 9), want[3], got[3];
    run_plain(&w, &x, want);
    for (int isa = 0; isa <= (int) ppq_isa_detect(); isa++) {
        run_engine(&w, 1 + isa % 3, isa, &x, got);
        for (int k = 0; k < w.g->n_outputs; k++) {
            ck_assert_msg(ppq_tensor_equal(&want[k], &got[k]), "%s %d %d: output %d at level %s",
                          types[type], direction, v, k, ppq_isa_name((ppq_isa) isa));
            ppq_tensor_unref(&got[k]);
        }
    }
    for (int k = 0; k < w.g->n_outputs; k++)
        ppq_tensor_unref(&want[k]);
    ppq_tensor_unref(&x);
    world_end(&w);
}

START_TEST(steps_are_the_operators)
{
    for (int v = 0; v < VARIANTS; v++)
        compare(_i / 3, _i % 3, v);
}
END_TEST

// ---- products -------------------------------------------------------------------------------

// y[i, j] = sum over k, in order, and the bias last: whatever is computed side by side.
static void check_product(ppq_isa isa, int64_t rows, int64_t depth, int64_t columns)
{
    ppq_tensor w = tensor_normal(SHAPE(depth * columns), 1);
    ppq_tensor b = tensor_normal(SHAPE(columns), 2), x = tensor_normal(SHAPE(rows, depth), 3);
    ppq_tensor y = tensor_new(PPQ_DT_F32, SHAPE(rows, columns));
    const ppq_panels m = { ppq_f32(&w), depth, columns, PPQ_RECURRENT_PANEL };
    ppq_recurrent_math_for(isa)->product(&m, rows, ppq_f32(&x), ppq_f32(&b), ppq_f32(&y));
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < m.columns; j++) {
            const float *panel = ppq_f32(&w) + j / m.panel * m.panel * depth + j % m.panel;
            float sum = 0;
            for (int64_t k = 0; k < depth; k++)
                sum += ppq_f32(&x)[i * depth + k] * panel[k * m.panel];
            SAME(ppq_f32(&y)[i * m.columns + j], sum + ppq_f32(&b)[j]);
        }
    ppq_tensor_unref(&w);
    ppq_tensor_unref(&b);
    ppq_tensor_unref(&x);
    ppq_tensor_unref(&y);
}

START_TEST(products_add_in_order)
{
    for (int64_t rows = 1; rows < 10; rows++)
        for (int64_t columns = 16; columns < 200; columns += 16)
            check_product((ppq_isa) _i, rows, 1 + rows * 3, columns);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { steps_are_the_operators, 9 },
        { products_add_in_order, (int) ppq_isa_detect() + 1 },
    };
    return run_tests("engine-recurrent", tests, PPQ_COUNT(tests));
}
