// Groups of tied channels: dividing them by any factors changes no answer.

#include "core/calib_source.h"
#include "passes/channel_groups.h"
#include "quantizer/init.h"
#include "tests/unit/harness.h"

static ppq_var *weights(world *w, ppq_shape s, uint64_t stream)
{
    return add_const(w, "w", tensor_normal(s, stream));
}

static ppq_var *ints(world *w, ppq_shape s, const int64_t *v)
{
    ppq_tensor t = tensor_new(PPQ_DT_I64, s);
    memcpy(ppq_i64(&t), v, ppq_tensor_bytes(&t));
    return add_const(w, "i", t);
}
#define INTS(w, ...)                                                       \
    ints((w), ppq_shape_1d(PPQ_COUNT(((const int64_t[]){ __VA_ARGS__ }))), \
         (const int64_t[]){ __VA_ARGS__ })

static ppq_var *conv(world *w, ppq_var *x, int64_t in, int64_t out, int64_t group, uint64_t stream)
{
    ppq_op *op = add_op(w, "Conv", x, weights(w, SHAPE(out, in / group, 1, 1), stream),
                        weights(w, SHAPE(out), stream + 100));
    ppq_op_set_int(w->g, op, "group", group);
    return op->out[0];
}

static void finish(world *w, ppq_var *last)
{
    ppq_graph_mark_output(w->g, last);
    ppq_graph_compact(w->g);
    OK(w->d, ppq_graph_verify(w->g, w->d));
    const ppq_pass *p = ppq_pass_find("infer-shapes");
    const ppq_pass_env env = { .graph = w->g, .scratch = w->a, .diag = w->d, .n_threads = 1 };
    OK(w->d, p->run(&env, p->defaults));
}

// Factors of two orders, the same for the same group.
static void divide_all(world *w, const ppq_channel_groups *c)
{
    const int32_t n = ppq_channel_groups_count(c);
    float *k = ppq_new_n(w->a, float, (size_t) n + 1);
    ppq_rng r = ppq_rng_seed(3, 5);
    for (int32_t i = 0; i < n; i++)
        k[i] = (float) exp(ppq_rng_normal(&r));
    OK(w->d, ppq_channel_groups_divide(c, w->g, k));
    OK(w->d, ppq_graph_verify(w->g, w->d));
}

// Divides every group and compares. Returns how many channels of `v` can move.
static int64_t keeps_answers(world *w, ppq_shape in, const ppq_var *v)
{
    ppq_tensor x = tensor_normal(in, 77);
    ppq_tensor want = run_graph(w->g, &x, w->d);
    ppq_channel_groups *c;
    OK(w->d, ppq_channel_groups_create(w->g, &c, w->d));
    int64_t n, moved = 0;
    const int32_t *group = ppq_channel_groups_of(c, v, &n);
    for (int64_t i = 0; group && i < n; i++)
        moved += group[i] >= 0;
    divide_all(w, c);
    ppq_tensor got = run_graph(w->g, &x, w->d);
    check_near(&got, &want, 1e-5);
    ppq_channel_groups_destroy(c);
    ppq_tensor_unref(&x);
    ppq_tensor_unref(&want);
    ppq_tensor_unref(&got);
    return moved;
}

// ---- every kind of tie ----------------------------------------------------------------------

enum { C = 6, H = 4 };

// What lies between a convolution with C channels and the next one; `more` is another branch.
typedef ppq_var *(*middle)(world *w, ppq_var *x, ppq_var *more);

static ppq_var *one(world *w, const char *type, ppq_var *x)
{
    return add_op(w, type, x, NULL, NULL)->out[0];
}

static ppq_var *relu(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    return one(w, "Relu", x);
}

static ppq_var *leaky_relu(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    return one(w, "LeakyRelu", x);
}

static ppq_var *prelu(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    return add_op(w, "PRelu", x, weights(w, SHAPE(C, 1, 1), 9), NULL)->out[0];
}

static ppq_var *pool(world *w, ppq_var *x, const char *type)
{
    ppq_op *op = add_op(w, type, x, NULL, NULL);
    ppq_op_set_ints(w->g, op, "kernel_shape", (const int64_t[]){ 2, 2 }, 2);
    return op->out[0];
}

static ppq_var *pools(world *w, ppq_var *x, ppq_var *more)
{
    ppq_var *sum =
        add_op(w, "Add", pool(w, x, "MaxPool"), pool(w, more, "AveragePool"), NULL)->out[0];
    return add_op(w, "Add", sum, one(w, "GlobalAveragePool", x), NULL)->out[0];
}

static ppq_var *sum(world *w, ppq_var *x, ppq_var *more)
{
    return add_op(w, "Add", add_op(w, "Sub", x, more, NULL)->out[0], x, NULL)->out[0];
}

static ppq_var *larger(world *w, ppq_var *x, ppq_var *more)
{
    return add_op(w, "Min", add_op(w, "Max", x, more, NULL)->out[0], x, NULL)->out[0];
}

static ppq_var *concat_spatial(world *w, ppq_var *x, ppq_var *more)
{
    ppq_op *op = add_op(w, "Concat", x, more, NULL);
    ppq_op_set_int(w->g, op, "axis", -1);
    return op->out[0];
}

static ppq_var *split_and_concat(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    ppq_op *split = ppq_graph_add_op(w->g, "", "Split", NULL, 2, 2);
    split->def = ppq_op_def_find("", "Split");
    ppq_graph_set_input(w->g, split, 0, x);
    ppq_graph_set_input(w->g, split, 1, INTS(w, 2, 4));
    ppq_op_set_int(w->g, split, "axis", 1);
    for (int i = 0; i < 2; i++)
        ppq_graph_set_output(w->g, split, i, ppq_graph_add_var(w->g, NULL));
    ppq_op *cat = add_op(w, "Concat", split->out[1], split->out[0], NULL);
    ppq_op_set_int(w->g, cat, "axis", 1);
    return cat->out[0];
}

static ppq_var *slices(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    ppq_op *op[2];
    for (int i = 0; i < 2; i++) {
        op[i] = ppq_graph_add_op(w->g, "", "Slice", NULL, 5, 1);
        op[i]->def = ppq_op_def_find("", "Slice");
        ppq_graph_set_input(w->g, op[i], 0, x);
        ppq_graph_set_output(w->g, op[i], 0, ppq_graph_add_var(w->g, NULL));
    }
    ppq_var *const args[2][4] = {
        { INTS(w, 1, 0), INTS(w, 100, 3), INTS(w, 1, 3), INTS(w, 2, 1) },
        { INTS(w, -1, 0), INTS(w, -6, 3), INTS(w, 1, 3), INTS(w, -2, 1) },
    };
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 4; k++)
            ppq_graph_set_input(w->g, op[i], k + 1, args[i][k]);
    ppq_op *cat = add_op(w, "Concat", op[0]->out[0], op[1]->out[0], NULL);
    ppq_op_set_int(w->g, cat, "axis", 1);
    return cat->out[0];
}

static ppq_var *pad(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    return add_op(w, "Pad", x, INTS(w, 0, 0, 1, 0, 0, 0, 2, 1), NULL)->out[0];
}

static ppq_var *resize(world *w, ppq_var *x, ppq_var *more)
{
    const float scale[] = { 1, 1, 2, 2 };
    ppq_var *out[2];
    for (int i = 0; i < 2; i++) {
        ppq_op *op = ppq_graph_add_op(w->g, "", "Resize", NULL, 3, 1);
        op->def = ppq_op_def_find("", "Resize");
        ppq_graph_set_input(w->g, op, 0, i ? x : more);
        ppq_graph_set_input(w->g, op, 2, add_const(w, "s", tensor_f32(SHAPE(4), scale)));
        ppq_graph_set_output(w->g, op, 0, ppq_graph_add_var(w->g, NULL));
        ppq_op_set_string(w->g, op, "mode", i ? "linear" : "nearest");
        out[i] = op->out[0];
    }
    return add_op(w, "Add", out[0], out[1], NULL)->out[0];
}

static ppq_var *constant_factor(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    ppq_var *y = add_op(w, "Mul", weights(w, SHAPE(1, C, 1, 1), 8), x, NULL)->out[0];
    return add_op(w, "Div", y, weights(w, SHAPE(1), 8), NULL)->out[0];
}

static ppq_var *gate(world *w, ppq_var *x, ppq_var *more)
{
    ppq_var *y = one(w, "Sigmoid", conv(w, one(w, "GlobalAveragePool", more), C, C, 1, 50));
    return add_op(w, "Mul", x, y, NULL)->out[0];
}

static ppq_var *transpose(world *w, ppq_var *x, const int64_t *perm, size_t n)
{
    ppq_op *op = add_op(w, "Transpose", x, NULL, NULL);
    ppq_op_set_ints(w->g, op, "perm", perm, n);
    return op->out[0];
}

static ppq_var *shuffle(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    ppq_var *y = add_op(w, "Reshape", x, INTS(w, 1, 2, C / 2, H, H), NULL)->out[0];
    y = transpose(w, y, (const int64_t[]){ 0, 2, 1, 3, 4 }, 5);
    return add_op(w, "Reshape", y, INTS(w, 1, C, H, H), NULL)->out[0];
}

static ppq_var *views(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    ppq_var *y = add_op(w, "Reshape", x, INTS(w, 1, C, H * H), NULL)->out[0];
    return add_op(w, "Reshape", y, INTS(w, 1, C, H, H), NULL)->out[0];
}

static ppq_var *spatial_products(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    ppq_var *y = add_op(w, "MatMul", x, weights(w, SHAPE(H, 3), 4), NULL)->out[0];
    return add_op(w, "MatMul", weights(w, SHAPE(2, H), 4), y, NULL)->out[0];
}

static ppq_var *layers(world *w, ppq_var *x, ppq_var *more)
{
    ppq_op *up =
        add_op(w, "ConvTranspose", x, weights(w, SHAPE(C, 1, 2, 2), 6), weights(w, SHAPE(2), 7));
    ppq_op_set_int(w->g, up, "group", 2);
    ppq_op *down = add_op(w, "ConvTranspose", conv(w, up->out[0], 2, C, 2, 30),
                          weights(w, SHAPE(C, C, 1, 1), 6), NULL);
    ppq_var *wide = one(w, "GlobalMaxPool", conv(w, more, C, C, C, 31));
    return add_op(w, "Add", down->out[0], wide, NULL)->out[0];
}

// Which channels of the first convolution's result may move.
static const struct tie_case {
    middle between;
    int64_t moved;
} tie_cases[] = {
    { relu, C },   { leaky_relu, C }, { prelu, C },          { pools, C },
    { sum, C },    { larger, C },     { concat_spatial, C }, { split_and_concat, C },
    { slices, C }, { pad, C },        { resize, C },         { constant_factor, C },
    { gate, C },   { shuffle, C },    { views, C },          { spatial_products, C },
    { layers, C },
};

START_TEST(tied_channels_scale_without_a_trace)
{
    world w = world_new();
    const ppq_shape in = SHAPE(1, 3, H, H);
    ppq_var *x = add_input(&w, "x", in);
    ppq_var *a = conv(&w, x, 3, C, 1, 1), *b = conv(&w, x, 3, C, 3, 2);
    ppq_var *y = tie_cases[_i].between(&w, a, b);
    finish(&w, conv(&w, y, C, 4, 2, 3));
    ck_assert_int_eq(keeps_answers(&w, in, a), tie_cases[_i].moved);
    world_end(&w);
}
END_TEST

// ---- what pins ------------------------------------------------------------------------------

static ppq_var *clip(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    const float six = 6, zero = 0;
    return add_op(w, "Clip", x, add_const(w, "c", tensor_f32((ppq_shape){ 0 }, &zero)),
                  add_const(w, "c", tensor_f32((ppq_shape){ 0 }, &six)))
        ->out[0];
}

static ppq_var *sigmoid(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    return one(w, "Sigmoid", x);
}

static ppq_var *plus_constant(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    return add_op(w, "Add", x, weights(w, SHAPE(1, C, 1, 1), 8), NULL)->out[0];
}

static ppq_var *plus_pinned(world *w, ppq_var *x, ppq_var *more)
{
    return add_op(w, "Add", x, one(w, "Sigmoid", more), NULL)->out[0];
}

static ppq_var *product(world *w, ppq_var *x, ppq_var *more)
{
    return add_op(w, "Mul", x, more, NULL)->out[0];
}

static ppq_var *pad_with_ones(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    const float value = 1;
    return add_op(w, "Pad", x, INTS(w, 0, 0, 1, 0, 0, 0, 2, 1),
                  add_const(w, "c", tensor_f32((ppq_shape){ 0 }, &value)))
        ->out[0];
}

static ppq_var *turned(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    ppq_var *y = add_op(w, "Reshape", x, INTS(w, 1, C, H, H), NULL)->out[0];
    y = transpose(w, y, (const int64_t[]){ 0, 2, 1, 3 }, 4);
    return add_op(w, "Reshape", y, INTS(w, 1, C, H, H), NULL)->out[0];
}

static ppq_var *softmax(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    ppq_op *op = add_op(w, "Softmax", x, NULL, NULL);
    ppq_op_set_int(w->g, op, "axis", 1);
    return op->out[0];
}

static ppq_var *also_an_output(world *w, ppq_var *x, ppq_var *more)
{
    (void) more;
    ppq_var *y = one(w, "Relu", x);
    ppq_graph_mark_output(w->g, y);
    return y;
}

static const middle pins[] = { clip,          sigmoid, plus_constant, plus_pinned,   product,
                               pad_with_ones, turned,  softmax,       also_an_output };

START_TEST(what_is_not_homogeneous_pins)
{
    world w = world_new();
    const ppq_shape in = SHAPE(1, 3, H, H);
    ppq_var *x = add_input(&w, "x", in);
    ppq_var *a = conv(&w, x, 3, C, 1, 1), *b = conv(&w, x, 3, C, 1, 2);
    finish(&w, conv(&w, pins[_i](&w, a, b), C, 4, 1, 3));
    ck_assert_int_eq(keeps_answers(&w, in, a), 0);
    world_end(&w);
}
END_TEST

// A residual and its branches are one group per channel; half of a concatenation may be pinned.
START_TEST(a_concatenation_is_pinned_in_part)
{
    world w = world_new();
    const ppq_shape in = SHAPE(1, 3, H, H);
    ppq_var *x = add_input(&w, "x", in), *a = conv(&w, x, 3, C, 1, 1);
    ppq_var *b = one(&w, "Sigmoid", conv(&w, x, 3, C, 1, 2));
    ppq_op *cat = add_op(&w, "Concat", a, b, NULL);
    ppq_op_set_int(w.g, cat, "axis", 1);
    finish(&w, conv(&w, cat->out[0], 2 * C, 4, 1, 3));
    ck_assert_int_eq(keeps_answers(&w, in, cat->out[0]), C);
    world_end(&w);
}
END_TEST

START_TEST(flattened_channels_end_at_gemm)
{
    world w = world_new();
    const ppq_shape in = SHAPE(1, 3, H, H);
    ppq_var *a = conv(&w, add_input(&w, "x", in), 3, C, 1, 1);
    ppq_var *flat = one(&w, "Flatten", one(&w, "Relu", a));
    ppq_op *fc =
        add_op(&w, "Gemm", flat, weights(&w, _i ? SHAPE(5, C * H * H) : SHAPE(C * H * H, 5), 4),
               weights(&w, SHAPE(5), 5));
    ppq_op_set_int(w.g, fc, "transB", _i);
    ppq_var *y = one(&w, "Relu", fc->out[0]);
    finish(&w, add_op(&w, "MatMul", y, weights(&w, SHAPE(5, 2), 6), NULL)->out[0]);
    ck_assert_int_eq(keeps_answers(&w, in, _i ? a : y), _i ? C : 5);
    world_end(&w);
}
END_TEST

// A layer whose weight others read too cannot be scaled.
START_TEST(shared_constants_pin)
{
    world w = world_new();
    const ppq_shape in = SHAPE(1, 3, H, H);
    ppq_var *x = add_input(&w, "x", in), *shared = weights(&w, SHAPE(C, 3, 1, 1), 1);
    ppq_var *a = add_op(&w, "Conv", x, shared, NULL)->out[0];
    ppq_var *b = add_op(&w, "Conv", x, shared, NULL)->out[0];
    finish(&w, conv(&w, add_op(&w, "Add", a, b, NULL)->out[0], C, 4, 1, 3));
    ck_assert_int_eq(keeps_answers(&w, in, a), 0);
    world_end(&w);
}
END_TEST

START_TEST(long_chains_take_linear_time)
{
    enum { N = 100000 };
    world w = world_new();
    ppq_var *x = conv(&w, add_input(&w, "x", SHAPE(1, 3, 1, 1)), 3, C, 1, 1), *first = x;
    for (int i = 0; i < N; i++)
        x = i % 2 ? one(&w, "Relu", x) : add_op(&w, "Add", x, first, NULL)->out[0];
    finish(&w, conv(&w, x, C, 4, 1, 3));
    ppq_channel_groups *c;
    OK(w.d, ppq_channel_groups_create(w.g, &c, w.d));
    ck_assert_int_eq(ppq_channel_groups_count(c), C);
    divide_all(&w, c);
    ppq_channel_groups_destroy(c);
    world_end(&w);
}
END_TEST

// ---- the pass -------------------------------------------------------------------------------

static ppq_status get_sample(void *user, int64_t i, ppq_tensor *feeds, ppq_diag *d)
{
    (void) d;
    const ppq_shape *s = user;
    feeds[0] = tensor_normal(*s, (uint64_t) i + 200);
    return PPQ_OK;
}

// The same, but the second channel holds anything in one sample only.
static ppq_status get_rare(void *user, int64_t i, ppq_tensor *feeds, ppq_diag *d)
{
    PPQ_TRY(get_sample(user, i, feeds, d));
    for (int k = H * H; i != 1 && k < 2 * H * H; k++)
        ppq_f32(&feeds[0])[k] = 0;
    return PPQ_OK;
}

enum { SAMPLES = 4 };
typedef ppq_status (*get)(void *user, int64_t i, ppq_tensor *feeds, ppq_diag *d);

static void equalize(world *w, ppq_shape *in, get samples, int threads)
{
    for (size_t i = 0; i < w->g->n_ops; i++)
        w->g->ops[i]->place = PPQ_PLACE_QUANT;
    const ppq_calib_source data = { in, SAMPLES, samples };
    const ppq_pass *p = ppq_pass_find("equalize");
    const ppq_pass_env env = { .graph = w->g,
                               .platform = ppq_platform_find("onnxruntime"),
                               .data = &data,
                               .n_threads = threads,
                               .scratch = w->a,
                               .diag = w->d };
    OK(w->d, p->run(&env, p->defaults));
    OK(w->d, ppq_graph_verify(w->g, w->d));
}

// Divides the output channels of a layer by 1, 2, 4, ...
static void fan_out(const ppq_var *v)
{
    const ppq_tensor *w = &v->producer.op->in[1]->value, *bias = &v->producer.op->in[2]->value;
    const int64_t each = ppq_shape_numel(&w->shape) / w->shape.dim[0];
    for (int64_t i = 0; i < ppq_shape_numel(&w->shape); i++)
        ppq_f32(w)[i] *= ldexpf(1, -(int) (i / each));
    for (int64_t i = 0; i < w->shape.dim[0]; i++)
        ppq_f32(bias)[i] *= ldexpf(1, -(int) i);
}

static void reach(float *lo, float *hi, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        *lo = fminf(*lo, x[i]);
        *hi = fmaxf(*hi, x[i]);
    }
}

// What the result of a 1x1 convolution reaches on the pass's samples, and what a ReLU leaves of
// each channel.
typedef struct reached {
    float lo, hi;
    float channel[C];
} reached;

static reached reach_of(const ppq_op *op, ppq_shape in, get samples)
{
    reached r = { 0 };
    const int64_t cols = op->in[1]->value.shape.dim[1], ins = in.dim[1];
    const int64_t per = C / (ins / cols);
    for (int k = 0; k < SAMPLES; k++) {
        ppq_tensor x = { 0 };
        ck_assert(samples(&in, k, &x, NULL) == PPQ_OK);
        for (int64_t o = 0; o < C; o++)
            for (int64_t i = 0; i < H * H; i++) {
                float y = ppq_f32(&op->in[2]->value)[o];
                for (int64_t c = 0; c < cols; c++)
                    y += ppq_f32(&op->in[1]->value)[o * cols + c] *
                         ppq_f32(&x)[(o / per * cols + c) * H * H + i];
                reach(&r.lo, &r.hi, &y, 1);
                r.channel[o] = fmaxf(r.channel[o], y);
            }
        ppq_tensor_unref(&x);
    }
    return r;
}

static float spread_of(const reached *r)
{
    float lo = INFINITY, hi = 0;
    for (int c = 0; c < C; c++) {
        lo = fminf(lo, r->channel[c]);
        hi = fmaxf(hi, r->channel[c]);
    }
    return hi / lo;
}

// Whatever lies between, answers stay, bytes do not depend on the number of threads, and no
// range of activations or weights grows.
START_TEST(equalizing_keeps_answers_and_ranges)
{
    enum { OUTS = 4, INS = C / 2 };
    ppq_tensor kept[2] = { 0 };
    for (int threads = 1; threads <= 3; threads++) {
        world w = world_new();
        ppq_shape in = SHAPE(1, 3, H, H);
        ppq_var *x = add_input(&w, "x", in);
        ppq_var *a = conv(&w, x, 3, C, 1, 1), *b = conv(&w, x, 3, C, 3, 2);
        fan_out(a);
        ppq_var *y = conv(&w, tie_cases[_i].between(&w, a, b), C, OUTS, 2, 3);
        finish(&w, y);
        const ppq_tensor *weight[] = { &a->producer.op->in[1]->value,
                                       &y->producer.op->in[1]->value };
        ppq_tensor fed = tensor_normal(in, 77), want = run_graph(w.g, &fed, w.d);
        const reached before = reach_of(a->producer.op, in, get_sample);
        float top[2][OUTS] = { { 0 } };
        for (int i = 0; i < OUTS * INS; i++)
            top[0][i / INS] = fmaxf(top[0][i / INS], fabsf(ppq_f32(weight[1])[i]));
        equalize(&w, &in, get_sample, threads);
        const reached after = reach_of(a->producer.op, in, get_sample);
        for (int i = 0; i < OUTS * INS; i++)
            top[1][i / INS] = fmaxf(top[1][i / INS], fabsf(ppq_f32(weight[1])[i]));
        ppq_tensor got = run_graph(w.g, &fed, w.d);
        check_near(&got, &want, 1e-5);
        ck_assert(after.hi <= before.hi * 1.0001f);
        // Of what a ReLU cuts off, no integer is used.
        ck_assert(after.lo >= before.lo * 1.0001f || tie_cases[_i].between == relu);
        for (int i = 0; i < OUTS; i++)
            ck_assert(top[1][i] <= top[0][i] * 1.0001f);
        for (int i = 0; i < 2; i++)
            if (threads == 1)
                kept[i] = ppq_tensor_ref(weight[i]);
            else
                ck_assert(ppq_tensor_equal(&kept[i], weight[i]));
        ppq_tensor_unref(&fed);
        ppq_tensor_unref(&want);
        ppq_tensor_unref(&got);
        world_end(&w);
    }
    ppq_tensor_unref(&kept[0]);
    ppq_tensor_unref(&kept[1]);
}
END_TEST

// Channels from 1 to 1/32 come together.
START_TEST(small_channels_grow)
{
    world w = world_new();
    ppq_shape in = SHAPE(1, 3, H, H);
    ppq_var *a = conv(&w, add_input(&w, "x", in), 3, C, 1, 1);
    fan_out(a);
    finish(&w, conv(&w, one(&w, "Relu", a), C, C, C, 3));
    const reached before = reach_of(a->producer.op, in, get_sample);
    equalize(&w, &in, get_sample, 1);
    const reached after = reach_of(a->producer.op, in, get_sample);
    ck_assert(spread_of(&after) < spread_of(&before) / 4);
    world_end(&w);
}
END_TEST

// A channel that one sample of four shows may reach three times as far in others: it grows, but
// not to where those would be clipped that would not have been before.
START_TEST(rare_channels_keep_room)
{
    world w = world_new();
    ppq_shape in = SHAPE(1, 3, H, H);
    ppq_var *a = conv(&w, add_input(&w, "x", in), 3, C, 1, 1);
    ppq_tensor *wt = &a->producer.op->in[1]->value, *bias = &a->producer.op->in[2]->value;
    memset(ppq_f32(bias), 0, C * sizeof(float));
    memcpy(ppq_f32(wt), (const float[]){ 0, 0.1f, 0 }, 3 * sizeof(float));
    finish(&w, conv(&w, one(&w, "Relu", a), C, 4, 1, 3));
    const reached before = reach_of(a->producer.op, in, get_rare);
    equalize(&w, &in, get_rare, 1);
    const reached after = reach_of(a->producer.op, in, get_rare);
    ck_assert(after.channel[0] > 1.5f * before.channel[0]);
    ck_assert(3 * after.channel[0] <= before.hi * 1.0001f);
    world_end(&w);
}
END_TEST

// A channel that no sample shows is left alone.
START_TEST(unseen_channels_stay)
{
    world w = world_new();
    ppq_shape in = SHAPE(1, 3, H, H);
    ppq_var *a = conv(&w, add_input(&w, "x", in), 3, C, 1, 1);
    ppq_f32(&a->producer.op->in[2]->value)[2] = -100;
    finish(&w, conv(&w, one(&w, "Relu", a), C, 4, 1, 3));
    equalize(&w, &in, get_sample, 1);
    ck_assert(!(ppq_f32(&a->producer.op->in[2]->value)[2] > -100 ||
                ppq_f32(&a->producer.op->in[2]->value)[2] < -100));
    world_end(&w);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { tied_channels_scale_without_a_trace, PPQ_COUNT(tie_cases) },
        { what_is_not_homogeneous_pins, PPQ_COUNT(pins) },
        { a_concatenation_is_pinned_in_part, 1 },
        { flattened_channels_end_at_gemm, 2 },
        { shared_constants_pin, 1 },
        { long_chains_take_linear_time, 1 },
        { equalizing_keeps_answers_and_ranges, PPQ_COUNT(tie_cases) },
        { small_channels_grow, 1 },
        { rare_channels_keep_room, 1 },
        { unseen_channels_stay, 1 },
    };
    return run_tests("equalize", tests, PPQ_COUNT(tests));
}
