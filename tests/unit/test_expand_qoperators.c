// Operators on integers that carry their scales become pairs around float operators, and mean the
// same.

#include "core/quantfn.h"
#include "tests/unit/pass_fixture.h"

#define MICROSOFT "com.microsoft"

static ppq_op *add_op_of(world *w, const char *domain, const char *type, ppq_var *const *in,
                         int32_t n)
{
    ppq_op *op = ppq_graph_add_op(w->g, domain, type, NULL, n, 1);
    op->def = ppq_op_def_find(domain, type);
    ck_assert_msg(op->def != NULL, "no operator %s", type);
    for (int32_t k = 0; k < n; k++)
        ppq_graph_set_input(w->g, op, k, in[k]);
    ppq_graph_set_output(w->g, op, 0, ppq_graph_add_var(w->g, NULL));
    return op;
}

static ppq_var *bytes_of(world *w, ppq_dtype dt, ppq_shape s, int from, int step)
{
    ppq_tensor t = tensor_new(dt, s);
    for (int64_t i = 0; i < ppq_shape_numel(&s); i++)
        ((uint8_t *) ppq_tensor_data(&t))[i] = (uint8_t) (from + (int) (i * 37 % 101) * step);
    return add_const(w, "bytes", t);
}

static ppq_var *scales(world *w, int64_t n, float first)
{
    ppq_tensor t = tensor_new(PPQ_DT_F32, n ? SHAPE(n) : (ppq_shape){ .rank = 0 });
    for (int64_t i = 0; i < PPQ_MAX(n, 1); i++)
        ppq_f32(&t)[i] = first * (float) (1 + i);
    return add_const(w, "scale", t);
}

static ppq_var *zero_of(world *w, int zero)
{
    return bytes_of(w, PPQ_DT_U8, (ppq_shape){ .rank = 0 }, zero, 0);
}

// What every case has: x on a grid, another grid, int8 weights.
typedef struct stored {
    ppq_var *x, *x_scale, *x_zero, *y_scale, *y_zero;
} stored;

static ppq_op *stored_conv(world *w, const stored *s)
{
    ppq_tensor bias = tensor_new(PPQ_DT_I32, SHAPE(4));
    for (int i = 0; i < 4; i++)
        ((int32_t *) ppq_tensor_data(&bias))[i] = 300 * i - 400;
    ppq_var *in[] = { s->x,
                      s->x_scale,
                      s->x_zero,
                      bytes_of(w, PPQ_DT_I8, SHAPE(4, 3, 3, 3), -50, 1),
                      scales(w, 4, 0.002f),
                      bytes_of(w, PPQ_DT_I8, (ppq_shape){ .rank = 0 }, 0, 0), // one for all
                      s->y_scale,
                      s->y_zero,
                      add_const(w, "bias", bias) };
    ppq_op *op = add_op_of(w, "", "QLinearConv", in, 9);
    ppq_op_set_ints(w->g, op, "pads", (const int64_t[]){ 1, 1, 0, 1 }, 4);
    return op;
}

static ppq_op *stored_matmul(world *w, const stored *s)
{
    ppq_var *in[] = { s->x,
                      s->x_scale,
                      s->x_zero,
                      bytes_of(w, PPQ_DT_I8, SHAPE(6, 5), -50, 1),
                      scales(w, 5, 0.002f),
                      bytes_of(w, PPQ_DT_I8, SHAPE(5), 3, 0),
                      s->y_scale,
                      s->y_zero };
    return add_op_of(w, "", "QLinearMatMul", in, 8);
}

static ppq_op *stored_gemm(world *w, const stored *s)
{
    ppq_tensor bias = tensor_new(PPQ_DT_I32, SHAPE(5));
    for (int i = 0; i < 5; i++)
        ((int32_t *) ppq_tensor_data(&bias))[i] = 500 * i - 900;
    ppq_op *flat = add_op(w, "Flatten", s->x, NULL, NULL);
    ppq_op_set_int(w->g, flat, "axis", 3);
    ppq_var *in[] = { flat->out[0],
                      s->x_scale,
                      s->x_zero,
                      bytes_of(w, PPQ_DT_I8, SHAPE(5, 6), -50, 1),
                      scales(w, 5, 0.002f),
                      bytes_of(w, PPQ_DT_I8, SHAPE(5), 0, 0),
                      add_const(w, "bias", bias),
                      s->y_scale,
                      s->y_zero };
    ppq_op *op = add_op_of(w, MICROSOFT, "QGemm", in, 9);
    ppq_op_set_int(w->g, op, "transB", 1);
    ppq_op_set_float(w->g, op, "alpha", 0.5f);
    return op;
}

static ppq_op *stored_matmul_to_float(world *w, const stored *s)
{
    ppq_var *in[] = { s->x,
                      bytes_of(w, PPQ_DT_I8, SHAPE(6, 5), -50, 1),
                      s->x_scale,
                      scales(w, 0, 0.004f),
                      s->x_zero,
                      NULL,
                      weights(w, SHAPE(5), 3) };
    return add_op_of(w, MICROSOFT, "MatMulIntegerToFloat", in, 7);
}

static ppq_op *stored_binary(world *w, const stored *s, const char *type)
{
    ppq_var *in[] = { s->x,
                      s->x_scale,
                      s->x_zero,
                      bytes_of(w, PPQ_DT_U8, SHAPE(3, 1, 6), 0, 2),
                      scales(w, 0, 0.02f),
                      zero_of(w, 90),
                      s->y_scale,
                      s->y_zero };
    return add_op_of(w, MICROSOFT, type, in, 8);
}

static ppq_op *stored_add(world *w, const stored *s)
{
    return stored_binary(w, s, "QLinearAdd");
}

static ppq_op *stored_mul(world *w, const stored *s)
{
    return stored_binary(w, s, "QLinearMul");
}

static ppq_op *stored_unary(world *w, const stored *s, const char *type)
{
    ppq_var *in[] = { s->x, s->x_scale, s->x_zero, s->y_scale, s->y_zero };
    return add_op_of(w, MICROSOFT, type, in, 5);
}

static ppq_op *stored_sigmoid(world *w, const stored *s)
{
    return stored_unary(w, s, "QLinearSigmoid");
}

static ppq_op *stored_leaky_relu(world *w, const stored *s)
{
    ppq_op *op = stored_unary(w, s, "QLinearLeakyRelu");
    ppq_op_set_float(w->g, op, "alpha", 0.2f);
    return op;
}

static ppq_op *stored_average_pool(world *w, const stored *s)
{
    ppq_op *op = stored_unary(w, s, "QLinearAveragePool");
    ppq_op_set_ints(w->g, op, "kernel_shape", (const int64_t[]){ 2, 3 }, 2);
    ppq_op_set_int(w->g, op, "channels_last", 0);
    return op;
}

static ppq_op *stored_global_average_pool(world *w, const stored *s)
{
    return stored_unary(w, s, "QLinearGlobalAveragePool");
}

static ppq_op *stored_softmax(world *w, const stored *s)
{
    ppq_op *op = stored_unary(w, s, "QLinearSoftmax");
    ppq_op_set_int(w->g, op, "axis", 1);
    ppq_op_set_int(w->g, op, "opset", 13);
    return op;
}

static ppq_op *stored_concat(world *w, const stored *s)
{
    ppq_var *in[] = {
        s->y_scale,          s->y_zero,     s->x,
        s->x_scale,          s->x_zero,     bytes_of(w, PPQ_DT_U8, SHAPE(2, 2, 5, 6), 0, 2),
        scales(w, 0, 0.02f), zero_of(w, 90)
    };
    ppq_op *op = add_op_of(w, MICROSOFT, "QLinearConcat", in, 8);
    ppq_op_set_int(w->g, op, "axis", 1);
    return op;
}

static const struct stored_case {
    ppq_op *(*build)(world *w, const stored *s);
    const char *becomes;
    size_t n_quantizers;
} stored_cases[] = {
    { stored_conv, "Conv", 2 },
    { stored_matmul, "MatMul", 2 },
    { stored_gemm, "Gemm", 3 },
    { stored_matmul_to_float, "MatMul", 1 },
    { stored_add, "Add", 2 },
    { stored_mul, "Mul", 2 },
    { stored_sigmoid, "Sigmoid", 2 },
    { stored_leaky_relu, "LeakyRelu", 2 },
    { stored_average_pool, "AveragePool", 2 },
    { stored_global_average_pool, "GlobalAveragePool", 2 },
    { stored_softmax, "Softmax", 2 },
    { stored_concat, "Concat", 2 },
};

// x of 2x3x5x6, quantized.
static stored begin_stored(world *w)
{
    ppq_graph_set_opset(w->g, MICROSOFT, 1);
    stored s = { .x_scale = scales(w, 0, 0.02f),
                 .x_zero = zero_of(w, 120),
                 .y_scale = scales(w, 0, 0.03f),
                 .y_zero = zero_of(w, 100) };
    ppq_var *x = add_input(w, "x", SHAPE(2, 3, 5, 6));
    s.x = add_op(w, "QuantizeLinear", x, s.x_scale, s.x_zero)->out[0];
    return s;
}

// The output's integers before and after, at most one quantum apart; how many are.
static size_t expand_and_compare(world *w, ppq_var *y)
{
    ppq_tensor x = tensor_normal(SHAPE(2, 3, 5, 6), 8);
    ppq_graph_rename_var(w->g, y, "y");
    ppq_graph_mark_output(w->g, y);
    ppq_graph_compact(w->g);
    ppq_tensor want = run_graph(w->g, &x, w->d);
    run_pass(w, "infer-shapes");
    run_pass(w, "expand-qoperators");
    ppq_tensor got = run_graph(w->g, &x, w->d);
    ck_assert_int_eq(got.dtype, want.dtype);
    ck_assert(ppq_shape_equal(&got.shape, &want.shape));
    ck_assert(ppq_graph_find_var(w->g, "y")->is_output);
    size_t n = 0;
    if (got.dtype == PPQ_DT_F32)
        check_near(&got, &want, 1e-5);
    else
        for (size_t i = 0; i < ppq_tensor_bytes(&want); i++) {
            const int a = ((const uint8_t *) ppq_tensor_data(&want))[i],
                      b = ((const uint8_t *) ppq_tensor_data(&got))[i];
            ck_assert_msg(abs(a - b) <= 1, "element %zu is %d, expected %d", i, b, a);
            n += a != b;
        }
    ppq_tensor_unref(&x);
    ppq_tensor_unref(&want);
    ppq_tensor_unref(&got);
    return n;
}

static bool is_integer_operator(const ppq_op *op)
{
    return op->domain[0] || strncmp(op->type, "QLinear", 7) == 0;
}

START_TEST(stored_operators_become_pairs)
{
    const struct stored_case *c = &stored_cases[_i];
    world w = world_new();
    const stored s = begin_stored(&w);
    ppq_op *op = c->build(&w, &s);
    const size_t n = expand_and_compare(&w, op->out[0]);
    ck_assert_uint_le(n, 4); // ties
    ck_assert_uint_eq(count_type(w.g, c->becomes), 1);
    ck_assert_uint_eq(count_type(w.g, "QuantizeLinear"), c->n_quantizers);
    for (size_t i = 0; i < w.g->n_ops; i++)
        ck_assert_msg(!is_integer_operator(w.g->ops[i]), "%s stays", w.g->ops[i]->type);
    world_end(&w);
}
END_TEST

// Readers of one tensor share its DequantizeLinear, and one that the file has is used.
START_TEST(stored_operators_share_what_they_read)
{
    world w = world_new();
    stored s = begin_stored(&w);
    ppq_var *real = add_op(&w, "DequantizeLinear", s.x, s.x_scale, s.x_zero)->out[0];
    ppq_graph_mark_output(w.g, add_op(&w, "Relu", real, NULL, NULL)->out[0]);
    ppq_graph_mark_output(w.g, stored_sigmoid(&w, &s)->out[0]);
    (void) expand_and_compare(&w, stored_leaky_relu(&w, &s)->out[0]);
    ck_assert_uint_eq(count_type(w.g, "DequantizeLinear"), 1);
    world_end(&w);
}
END_TEST

START_TEST(stored_operators_without_constant_scales_stay)
{
    world w = world_new();
    stored s = begin_stored(&w);
    ppq_graph_mark_input(w.g, s.y_scale = ppq_graph_add_var(w.g, "scale_of_y"));
    s.y_scale->dtype = PPQ_DT_F32;
    ppq_graph_mark_output(w.g, stored_sigmoid(&w, &s)->out[0]);
    ppq_graph_compact(w.g);
    run_pass(&w, "infer-shapes");
    run_pass(&w, "expand-qoperators");
    ck_assert_uint_eq(w.g->n_ops, 2);
    ck_assert_str_eq(w.g->ops[1]->type, "QLinearSigmoid");
    world_end(&w);
}
END_TEST

// Behind a known grid, operators on the integers get it on both sides. A Pad keeps them: what it
// adds is a number of its own.
START_TEST(moves_of_integers_get_their_grid)
{
    static const char *const types[] = { "MaxPool", "Transpose", "Concat", "Resize", "Pad" };
    world w = world_new();
    const stored s = begin_stored(&w);
    ppq_op *op = add_op(&w, types[_i], s.x, NULL, NULL);
    if (_i == 0)
        ppq_op_set_ints(w.g, op, "kernel_shape", (const int64_t[]){ 2, 2 }, 2);
    if (_i == 2) {
        ppq_graph_resize_inputs(w.g, op, 2);
        ppq_graph_set_input(w.g, op, 1, s.x);
        ppq_op_set_int(w.g, op, "axis", 1);
    }
    if (_i == 3) {
        const float twice[] = { 1, 1, 2, 2 };
        ppq_graph_resize_inputs(w.g, op, 3);
        ppq_graph_set_input(w.g, op, 2, add_const(&w, "twice", tensor_f32(SHAPE(4), twice)));
    }
    if (_i == 4) {
        ppq_tensor pads = tensor_new(PPQ_DT_I64, SHAPE(8));
        for (int k = 0; k < 8; k++)
            ppq_i64(&pads)[k] = k % 4 == 2;
        ppq_graph_resize_inputs(w.g, op, 3);
        ppq_graph_set_input(w.g, op, 1, add_const(&w, "pads", pads));
        ppq_graph_set_input(w.g, op, 2, s.x_zero);
    }
    ppq_op *pool = add_op(&w, "MaxPool", op->out[0], NULL, NULL);
    ppq_op_set_ints(w.g, pool, "kernel_shape", (const int64_t[]){ 2, 2 }, 2);
    ck_assert_uint_eq(expand_and_compare(&w, pool->out[0]), 0);
    ck_assert_uint_eq(count_type(w.g, "QuantizeLinear"), _i == 4 ? 2 : 3);
    ck_assert_uint_eq(count_type(w.g, "DequantizeLinear"), _i == 4 ? 1 : 2);
    world_end(&w);
}
END_TEST

static ppq_var *clip_of(world *w, ppq_var *x, int lo, int hi)
{
    return add_op(w, "Clip", x, zero_of(w, lo), hi < 0 ? NULL : zero_of(w, hi))->out[0];
}

// Bounds on integers become real ones, before the rounding where nobody else reads it.
START_TEST(clips_of_integers_go_before_the_quantizer)
{
    static const struct {
        int lo, hi;
        bool shared;
        const char *becomes;
        size_t n_quantizers;
    } cases[] = {
        { 100, 255, false, "Relu", 2 }, { 100, -1, false, "Relu", 2 },
        { 80, 140, false, "Clip", 2 },  { 80, 255, false, "Clip", 2 },
        { 100, 255, true, "Relu", 3 },  { 90, 120, true, "Clip", 3 },
    };
    world w = world_new();
    const stored s = begin_stored(&w);
    ppq_var *y = stored_leaky_relu(&w, &s)->out[0];
    ppq_var *z = clip_of(&w, y, cases[_i].lo, cases[_i].hi);
    if (cases[_i].shared)
        ppq_graph_mark_output(w.g, z);
    ck_assert_uint_eq(expand_and_compare(&w, cases[_i].shared ? y : z), 0);
    ck_assert_uint_eq(count_type(w.g, "QuantizeLinear"), cases[_i].n_quantizers);
    ck_assert_uint_eq(count_type(w.g, cases[_i].becomes), 1);
    world_end(&w);
}
END_TEST

START_TEST(a_fused_convolution_is_taken_apart)
{
    static const char *const types[] = { "Relu", "LeakyRelu", "Clip", "HardSigmoid", "Tanh" };
    const char *type = types[_i / 2];
    const ppq_shape in = SHAPE(1, 3, 5, 5);
    const float params[] = { 0.2f, 0.5f };
    world w = world_new();
    ppq_graph_set_opset(w.g, MICROSOFT, 1);
    ppq_var *x = add_input(&w, "x", in);
    ppq_var *slots[] = { x, weights(&w, SHAPE(3, 3, 1, 1), 5), weights(&w, SHAPE(3), 6), x };
    ppq_op *op = add_op_of(&w, MICROSOFT, "FusedConv", slots, _i % 2 ? 4 : 3);
    ppq_op_set_string(w.g, op, "activation", type);
    ppq_op_set_floats(w.g, op, "activation_params", params, 2);
    finish(&w, op);
    keeps_answers(&w, in, "expand-qoperators");
    ck_assert_uint_eq(count_type(w.g, "Conv"), 1);
    ck_assert_uint_eq(count_type(w.g, type), 1);
    ck_assert_uint_eq(count_type(w.g, "Add"), (size_t) (_i % 2));
    world_end(&w);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { stored_operators_become_pairs, (int) PPQ_COUNT(stored_cases) },
        { stored_operators_share_what_they_read, 1 },
        { stored_operators_without_constant_scales_stay, 1 },
        { moves_of_integers_get_their_grid, 5 },
        { clips_of_integers_go_before_the_quantizer, 6 },
        { a_fused_convolution_is_taken_apart, 10 },
    };
    return run_tests("expand-qoperators", tests, PPQ_COUNT(tests));
}
