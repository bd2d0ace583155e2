// Weights whose pairs cannot saturate: no two that runtimes sum in 16 bits exceed 128 together, and
// no scale grows without need.

#include "passes/rewrite.h"
#include "quantizer/calibrate.h"
#include "quantizer/init.h"
#include "tests/unit/pass_fixture.h"

// A layer with the given weight, and what calibration makes of that.
typedef struct layer {
    world w;
    ppq_op *op;
    float *scale; // [n], before the pass
    uint32_t n;
} layer;

static void calibrate(world *w, const char *platform)
{
    ppq_settings *s = ppq_settings_create();
    run_pass(w, "infer-shapes");
    for (size_t i = 0; i < w->g->n_ops; i++)
        w->g->ops[i]->place = PPQ_PLACE_QUANT;
    OK(w->d, ppq_init_tqcs(w->g, ppq_platform_find(platform), s, w->d));
    OK(w->d, ppq_calibrate_parameters(w->g, 1, w->d));
    ppq_settings_destroy(s);
}

static layer layer_new(const char *type, ppq_shape in, ppq_shape weight, int64_t group, bool same)
{
    layer l = { .w = world_new() };
    world *w = &l.w;
    ppq_tensor t = tensor_normal(weight, 3);
    for (int64_t i = 0; same && i < ppq_shape_numel(&weight); i++)
        ppq_f32(&t)[i] = 1;
    l.op = add_op(w, type, add_input(w, "x", in), add_const(w, "w", t), NULL);
    if (weight.rank > 2)
        ppq_op_set_int(w->g, l.op, "group", group);
    finish(w, l.op);
    ppq_graph_compact(w->g);
    calibrate(w, ppq_op_is(l.op, "ConvTranspose") ? "trt-int8" : "onnxruntime");
    const ppq_tqc *q = l.op->tqc_in[1];
    l.n = q->n;
    l.scale = ppq_new_n(w->a, float, q->n);
    memcpy(l.scale, q->scale, q->n * sizeof(*l.scale));
    run_pass(w, "avoid-saturation");
    return l;
}

// The quantized weight as [outs][taps][ins], the order in which products are summed.
static int *in_order(const layer *l, int64_t group, int64_t *outs, int64_t *taps, int64_t *ins)
{
    const ppq_tensor *t = &l->op->in[1]->value;
    const ppq_shape *s = &t->shape;
    const ppq_weight_axis x = ppq_weight_axis_of(l->op, s);
    const bool transposed = ppq_op_is(l->op, "ConvTranspose");
    const int64_t rows = s->dim[0], cols = s->dim[1];
    *taps = ppq_shape_numel(s) / (rows * cols);
    *outs = transposed ? cols * group : x.axis == 0 ? rows : cols;
    *ins = transposed ? rows / group : x.axis == 0 ? cols : rows;
    int *q = ppq_new_n(l->w.a, int, (size_t) ppq_shape_numel(s));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            for (int64_t k = 0; k < *taps; k++) {
                const int64_t o = transposed ? r / *ins * cols + c : x.axis == 0 ? r : c;
                const int64_t i = transposed ? r % *ins : x.axis == 0 ? c : r;
                const float scale = l->op->tqc_in[1]->scale[x.axis == 0 ? r : c];
                q[(o * *taps + k) * *ins + i] =
                    (int) rintf(ppq_f32(t)[(r * cols + c) * *taps + k] / scale);
            }
    return q;
}

static int worst_pair(const layer *l, int64_t group)
{
    int64_t outs, taps, ins;
    int worst = 0;
    const int *q = in_order(l, group, &outs, &taps, &ins);
    for (int64_t o = 0; o < outs; o++) {
        const int *row = q + o * taps * ins;
        for (int64_t k = 0; k + 1 < taps * ins; k += 2)
            worst = PPQ_MAX(worst, abs(row[k] + row[k + 1]));
        for (int64_t k = 0; k < taps; k++)
            for (int64_t i = 0; i + 1 < ins; i += 2)
                worst = PPQ_MAX(worst, abs(row[k * ins + i] + row[k * ins + i + 1]));
    }
    return worst;
}

static const struct {
    const char *type;
    ppq_shape in, weight;
    int64_t group;
} layers[] = {
    { "Conv", { .rank = 4, .dim = { 1, 3, 9, 9 } }, { .rank = 4, .dim = { 16, 3, 3, 3 } }, 1 },
    { "Conv", { .rank = 4, .dim = { 1, 16, 9, 9 } }, { .rank = 4, .dim = { 8, 16, 1, 1 } }, 1 },
    { "Conv", { .rank = 4, .dim = { 1, 12, 9, 9 } }, { .rank = 4, .dim = { 8, 3, 3, 3 } }, 4 },
    { "Conv", { .rank = 4, .dim = { 1, 4, 9, 9 } }, { .rank = 4, .dim = { 8, 1, 3, 3 } }, 4 },
    { "Conv", { .rank = 3, .dim = { 1, 5, 9 } }, { .rank = 3, .dim = { 8, 5, 3 } }, 1 },
    { "Conv", { .rank = 5, .dim = { 1, 4, 5, 5, 5 } }, { .rank = 5, .dim = { 4, 4, 2, 2, 2 } }, 1 },
    { "ConvTranspose",
      { .rank = 4, .dim = { 1, 6, 5, 5 } },
      { .rank = 4, .dim = { 6, 4, 2, 2 } },
      1 },
    { "ConvTranspose",
      { .rank = 4, .dim = { 1, 6, 5, 5 } },
      { .rank = 4, .dim = { 6, 4, 2, 2 } },
      2 },
    { "MatMul", { .rank = 2, .dim = { 2, 33 } }, { .rank = 2, .dim = { 33, 8 } }, 1 },
    { "MatMul", { .rank = 2, .dim = { 2, 64 } }, { .rank = 2, .dim = { 64, 8 } }, 1 },
    { "Gemm", { .rank = 2, .dim = { 2, 31 } }, { .rank = 2, .dim = { 31, 8 } }, 1 },
};

START_TEST(no_pair_saturates)
{
    for (int same = 0; same < 2; same++) {
        layer l =
            layer_new(layers[_i].type, layers[_i].in, layers[_i].weight, layers[_i].group, same);
        ck_assert_int_le(worst_pair(&l, layers[_i].group), 128);
        for (uint32_t k = 0; k < l.n; k++)
            ck_assert(l.op->tqc_in[1]->scale[k] >= l.scale[k]);
        // Equal weights are the worst case: half of their range goes.
        ck_assert_msg(!same || l.op->tqc_in[1]->scale[0] > 1.9F * l.scale[0], "%g from %g",
                      (double) l.op->tqc_in[1]->scale[0], (double) l.scale[0]);
        world_end(&l.w);
    }
}
END_TEST

START_TEST(a_pass_is_enough)
{
    layer l = layer_new("Conv", SHAPE(1, 6, 9, 9), SHAPE(8, 6, 3, 3), 1, false);
    float *once = ppq_new_n(l.w.a, float, l.n);
    memcpy(once, l.op->tqc_in[1]->scale, l.n * sizeof(*once));
    run_pass(&l.w, "avoid-saturation");
    ck_assert_mem_eq(once, l.op->tqc_in[1]->scale, l.n * sizeof(*once));
    world_end(&l.w);
}
END_TEST

START_TEST(depthwise_convolutions_keep_their_scales)
{
    layer l = layer_new("Conv", SHAPE(1, 8, 9, 9), SHAPE(8, 1, 3, 3), 8, true);
    ck_assert_mem_eq(l.scale, l.op->tqc_in[1]->scale, l.n * sizeof(*l.scale));
    world_end(&l.w);
}
END_TEST

// Pairs of opposite signs cancel: their scales need not grow.
START_TEST(scales_stay_where_pairs_fit)
{
    world w = world_new();
    ppq_tensor t = tensor_normal(SHAPE(4, 6, 1, 1), 3);
    for (int64_t i = 0; i < 24; i++)
        ppq_f32(&t)[i] = i % 2 ? 1 : -1;
    ppq_op *op =
        add_op(&w, "Conv", add_input(&w, "x", SHAPE(1, 6, 5, 5)), add_const(&w, "w", t), NULL);
    finish(&w, op);
    ppq_graph_compact(w.g);
    calibrate(&w, "onnxruntime");
    const float before = op->tqc_in[1]->scale[0];
    run_pass(&w, "avoid-saturation");
    ck_assert_mem_eq(&before, &op->tqc_in[1]->scale[0], sizeof(before));
    world_end(&w);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { no_pair_saturates, (int) PPQ_COUNT(layers) },
        { a_pass_is_enough, 1 },
        { depthwise_convolutions_keep_their_scales, 1 },
        { scales_stay_where_pairs_fit, 1 },
    };
    return run_tests("avoid-saturation", tests, PPQ_COUNT(tests));
}
