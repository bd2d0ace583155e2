// Float rewrites keep what a model computes; quantizing passes keep numbers in range.

#include "core/quantfn.h"
#include "quantizer/init.h"
#include "quantizer/platforms/formats.h"
#include "tests/unit/pass_fixture.h"

static ppq_op *add_bn(world *w, ppq_var *x, int64_t c)
{
    ppq_op *bn = ppq_graph_add_op(w->g, "", "BatchNormalization", "bn", 5, 1);
    bn->def = ppq_op_def_find("", "BatchNormalization");
    ppq_graph_set_input(w->g, bn, 0, x);
    for (int k = 1; k < 5; k++) {
        ppq_tensor t = tensor_normal(SHAPE(c), (uint64_t) k);
        for (int64_t i = 0; k == 4 && i < c; i++)
            ppq_f32(&t)[i] = 0.5f + fabsf(ppq_f32(&t)[i]);
        ppq_graph_set_input(w->g, bn, k, add_const(w, "bn_value", t));
    }
    ppq_op_set_float(w->g, bn, "epsilon", 1e-3f);
    ppq_graph_set_output(w->g, bn, 0, ppq_graph_add_var(w->g, NULL));
    return bn;
}

// ---- fold-batch-norm ------------------------------------------------------------------------

static const struct norm_case {
    const char *type;
    int64_t group, in[4], w[4], out;
    bool bias;
} norm_cases[] = {
    { "Conv", 1, { 2, 3, 6, 6 }, { 4, 3, 3, 3 }, 4, false },
    { "Conv", 1, { 2, 3, 6, 6 }, { 4, 3, 3, 3 }, 4, true },
    { "Conv", 2, { 1, 4, 5, 5 }, { 6, 2, 3, 3 }, 6, true },
    { "Conv", 4, { 1, 4, 5, 5 }, { 4, 1, 3, 3 }, 4, false },
    { "ConvTranspose", 1, { 1, 3, 4, 4 }, { 3, 5, 2, 2 }, 5, true },
    { "ConvTranspose", 2, { 1, 4, 4, 4 }, { 4, 3, 2, 2 }, 6, true },
    { "ConvTranspose", 4, { 1, 4, 4, 4 }, { 4, 2, 2, 2 }, 8, false },
};

START_TEST(batch_norm_folds_into_convolutions)
{
    const struct norm_case *c = &norm_cases[_i];
    world w = world_new();
    const ppq_shape in = { 4, { c->in[0], c->in[1], c->in[2], c->in[3] } };
    const ppq_shape ws = { 4, { c->w[0], c->w[1], c->w[2], c->w[3] } };
    ppq_op *conv = add_op(&w, c->type, add_input(&w, "x", in), weights(&w, ws, 5),
                          c->bias ? weights(&w, SHAPE(c->out), 6) : NULL);
    ppq_op_set_int(w.g, conv, "group", c->group);
    finish(&w, add_bn(&w, conv->out[0], c->out));
    keeps_answers(&w, in, "fold-batch-norm");
    ck_assert_uint_eq(w.g->n_ops, 1);
    ck_assert_str_eq(w.g->ops[0]->out[0]->name, "y");
    world_end(&w);
}
END_TEST

// alpha, beta, transB, and C as nothing, a vector or a scalar.
static ppq_op *add_gemm(world *w, int variant, ppq_shape *in)
{
    *in = SHAPE(3, 4);
    const bool trans = variant & 1;
    const int c = variant / 2 % 4;
    ppq_var *bias = c == 1   ? weights(w, SHAPE(5), 6)
                    : c == 2 ? weights(w, (ppq_shape){ .rank = 0 }, 6)
                    : c == 3 ? weights(w, SHAPE(1, 5), 6)
                             : NULL;
    ppq_op *op = add_op(w, "Gemm", add_input(w, "x", *in),
                        weights(w, trans ? SHAPE(5, 4) : SHAPE(4, 5), 5), bias);
    ppq_op_set_int(w->g, op, "transB", trans);
    if (variant >= 8) {
        ppq_op_set_float(w->g, op, "alpha", 0.7f);
        ppq_op_set_float(w->g, op, "beta", -1.3f);
    }
    return op;
}

START_TEST(batch_norm_folds_into_gemm)
{
    world w = world_new();
    ppq_shape in;
    ppq_op *gemm = add_gemm(&w, _i, &in);
    finish(&w, add_bn(&w, gemm->out[0], 5));
    keeps_answers(&w, in, "fold-batch-norm");
    if (_i / 2 % 4 != 3) // a C of one row is widened by simplify-gemm first
        ck_assert_uint_eq(w.g->n_ops, 1);
    world_end(&w);
}
END_TEST

START_TEST(batch_norm_stays_where_others_read_the_convolution)
{
    world w = world_new();
    const ppq_shape in = SHAPE(1, 3, 4, 4);
    ppq_op *conv =
        add_op(&w, "Conv", add_input(&w, "x", in), weights(&w, SHAPE(4, 3, 1, 1), 5), NULL);
    ppq_op *bn = add_bn(&w, conv->out[0], 4);
    finish(&w, add_op(&w, "Add", bn->out[0], conv->out[0], NULL));
    keeps_answers(&w, in, "fold-batch-norm");
    ck_assert_uint_eq(count_type(w.g, "BatchNormalization"), 1);
    world_end(&w);
}
END_TEST

// Two convolutions with one weight: folding one must not change the other.
START_TEST(a_shared_weight_is_not_scaled_for_both)
{
    world w = world_new();
    const ppq_shape in = SHAPE(1, 3, 4, 4);
    ppq_var *x = add_input(&w, "x", in), *shared = weights(&w, SHAPE(4, 3, 1, 1), 5);
    ppq_op *a = add_op(&w, "Conv", x, shared, NULL), *b = add_op(&w, "Conv", x, shared, NULL);
    ppq_op *bn = add_bn(&w, a->out[0], 4);
    finish(&w, add_op(&w, "Sub", bn->out[0], b->out[0], NULL));
    keeps_answers(&w, in, "fold-batch-norm");
    ck_assert_uint_eq(count_type(w.g, "BatchNormalization"), 0);
    world_end(&w);
}
END_TEST

START_TEST(lone_batch_norm_becomes_a_convolution)
{
    world w = world_new();
    const ppq_shape in = _i ? SHAPE(2, 3, 7) : SHAPE(2, 3, 4, 5);
    finish(&w, add_bn(&w, add_input(&w, "x", in), 3));
    keeps_answers(&w, in, "batch-norm-to-conv");
    ck_assert_uint_eq(count_type(w.g, "Conv"), 1);
    ck_assert_uint_eq(w.g->n_ops, 1);
    world_end(&w);
}
END_TEST

// ---- fold-bias ------------------------------------------------------------------------------

static const struct bias_case {
    ppq_shape add;
    bool folds;
} bias_cases[] = {
    { { 4, { 1, 4, 1, 1 } }, true },
    { { 3, { 4, 1, 1 } }, true },
    { { 0, { 0 } }, true },
    { { 1, { 1 } }, true },
    { { 1, { 4 } }, false },
    { { 4, { 1, 4, 4, 4 } }, false },
    { { 5, { 1, 1, 4, 1, 1 } }, false },
};

START_TEST(an_added_constant_becomes_the_bias)
{
    const struct bias_case *c = &bias_cases[_i / 2];
    world w = world_new();
    const ppq_shape in = SHAPE(1, 3, 4, 4);
    ppq_op *conv =
        add_op(&w, "Conv", add_input(&w, "x", in), weights(&w, SHAPE(4, 3, 1, 1), 5), NULL);
    ppq_var *b = weights(&w, c->add, 6);
    finish(&w, _i % 2 ? add_op(&w, "Add", b, conv->out[0], NULL)
                      : add_op(&w, "Add", conv->out[0], b, NULL));
    keeps_answers(&w, in, "fold-bias");
    ck_assert_uint_eq(count_type(w.g, "Add"), !c->folds);
    world_end(&w);
}
END_TEST

START_TEST(a_bias_that_exists_is_kept)
{
    world w = world_new();
    const ppq_shape in = SHAPE(3, 4);
    ppq_op *gemm = add_op(&w, "Gemm", add_input(&w, "x", in), weights(&w, SHAPE(4, 5), 5),
                          _i ? weights(&w, SHAPE(5), 7) : NULL);
    ppq_op_set_float(w.g, gemm, "beta", 0.5f);
    finish(&w, add_op(&w, "Add", gemm->out[0], weights(&w, SHAPE(5), 6), NULL));
    keeps_answers(&w, in, "fold-bias");
    ck_assert_uint_eq(count_type(w.g, "Add"), (size_t) _i);
    world_end(&w);
}
END_TEST

// ---- simplify-gemm --------------------------------------------------------------------------

START_TEST(gemm_becomes_plain)
{
    world w = world_new();
    ppq_shape in;
    finish(&w, add_gemm(&w, _i, &in));
    keeps_answers(&w, in, "simplify-gemm");
    const ppq_op *op = w.g->ops[0];
    SAME(ppq_op_attr_float(op, "alpha", 1), 1);
    SAME(ppq_op_attr_float(op, "beta", 1), 1);
    if (op->n_in > 2 && op->in[2]) {
        ck_assert_int_eq(op->in[2]->shape.rank, 1);
        ck_assert_int_eq(op->in[2]->shape.dim[0], 5);
    }
    world_end(&w);
}
END_TEST

START_TEST(gemm_with_a_computed_bias_keeps_beta)
{
    world w = world_new();
    const ppq_shape in = SHAPE(4, 4);
    ppq_var *x = add_input(&w, "x", in);
    ppq_op *c = add_op(&w, "Neg", x, NULL, NULL);
    ppq_op *gemm = add_op(&w, "Gemm", x, weights(&w, SHAPE(4, 4), 5), c->out[0]);
    ppq_op_set_float(w.g, gemm, "beta", 0.25f);
    ppq_op_set_float(w.g, gemm, "alpha", 3);
    finish(&w, gemm);
    keeps_answers(&w, in, "simplify-gemm");
    world_end(&w);
}
END_TEST

// ---- remove-identity, fold-constants --------------------------------------------------------

START_TEST(what_does_nothing_goes)
{
    world w = world_new();
    const ppq_shape in = SHAPE(2, 3);
    ppq_var *v = add_op(&w, "Identity", add_input(&w, "x", in), NULL, NULL)->out[0];
    v = add_op(&w, "Dropout", v, NULL, NULL)->out[0];
    ppq_op *cast = add_op(&w, "Cast", v, NULL, NULL);
    ppq_op_set_int(w.g, cast, "to", PPQ_DT_F32);
    v = add_op(&w, "Relu", cast->out[0], NULL, NULL)->out[0];
    add_op(&w, "Sigmoid", v, NULL, NULL); // nobody reads it
    finish(&w, add_op(&w, "Identity", v, NULL, NULL));
    keeps_answers(&w, in, "remove-identity");
    ck_assert_uint_eq(w.g->n_ops, 1);
    ck_assert_str_eq(w.g->ops[0]->type, "Relu");
    ck_assert_str_eq(w.g->outputs[0]->name, "y");
    world_end(&w);
}
END_TEST

static ppq_op *transpose(world *w, ppq_var *x, int64_t a, int64_t b, int64_t c)
{
    ppq_op *op = add_op(w, "Transpose", x, NULL, NULL);
    ppq_op_set_ints(w->g, op, "perm", (const int64_t[]){ a, b, c }, 3);
    return op;
}

// There and back: directly, around functions of one tensor, around several orders.
START_TEST(transposes_that_cancel_go)
{
    world w = world_new();
    const ppq_shape in = SHAPE(2, 3, 4);
    ppq_var *v = add_op(&w, "Neg", add_input(&w, "x", in), NULL, NULL)->out[0];
    if (_i == 0) {
        v = transpose(&w, transpose(&w, v, 1, 2, 0)->out[0], 2, 0, 1)->out[0];
    } else if (_i == 1) {
        v = add_op(&w, "Relu", transpose(&w, v, 1, 2, 0)->out[0], NULL, NULL)->out[0];
        v = add_op(&w, "Sub", weights(&w, SHAPE(1), 43), v, NULL)->out[0];
        v = transpose(&w, v, 2, 0, 1)->out[0];
    } else if (_i == 2) {
        v = transpose(&w, transpose(&w, v, 0, 2, 1)->out[0], 1, 0, 2)->out[0];
        v = transpose(&w, add_op(&w, "Exp", v, NULL, NULL)->out[0], 1, 2, 0)->out[0];
    } else {
        v = add_op(&w, "Transpose", transpose(&w, v, 2, 1, 0)->out[0], NULL, NULL)->out[0];
    }
    finish(&w, _i % 2 ? add_op(&w, "Exp", v, NULL, NULL) : v->producer.op);
    keeps_answers(&w, in, "cancel-transposes");
    ck_assert_uint_eq(count_type(w.g, "Transpose"), 0);
    run_pass(&w, "infer-shapes");
    ck_assert(ppq_shape_equal(&w.g->outputs[0]->shape, &in));
    world_end(&w);
}
END_TEST

// Others read what is in between, a constant has more than one element, or it is another order.
START_TEST(other_transposes_stay)
{
    static const struct {
        size_t left;
        int64_t a, b, c;
    } cases[] = { { 2, 2, 0, 1 }, { 2, 2, 0, 1 }, { 1, 1, 2, 0 }, { 1, 2, 0, 1 } };
    world w = world_new();
    const ppq_shape in = SHAPE(2, 3, 4);
    ppq_var *x = add_op(&w, "Neg", add_input(&w, "x", in), NULL, NULL)->out[0];
    ppq_var *t = transpose(&w, x, 1, 2, 0)->out[0], *v = t;
    if (_i == 0)
        v = add_op(&w, "Relu", v, NULL, NULL)->out[0];
    if (_i == 1)
        v = add_op(&w, "Mul", v, weights(&w, SHAPE(4, 2), 44), NULL)->out[0];
    if (_i == 0 || _i == 3)
        ppq_graph_mark_output(w.g, v);
    finish(&w, transpose(&w, v, cases[_i].a, cases[_i].b, cases[_i].c));
    run_pass(&w, "infer-shapes");
    run_pass(&w, "cancel-transposes");
    ck_assert_uint_eq(count_type(w.g, "Transpose"), cases[_i].left);
    world_end(&w);
}
END_TEST

START_TEST(a_cast_to_another_type_stays)
{
    world w = world_new();
    const ppq_shape in = SHAPE(2, 3);
    ppq_op *down = add_op(&w, "Cast", add_input(&w, "x", in), NULL, NULL);
    ppq_op_set_int(w.g, down, "to", PPQ_DT_I32);
    ppq_op *up = add_op(&w, "Cast", down->out[0], NULL, NULL);
    ppq_op_set_int(w.g, up, "to", PPQ_DT_F32);
    finish(&w, up);
    keeps_answers(&w, in, "remove-identity");
    ck_assert_uint_eq(w.g->n_ops, 2);
    world_end(&w);
}
END_TEST

// Input to output, with nothing between that could write the output.
START_TEST(an_identity_between_fixed_ends_stays)
{
    world w = world_new();
    finish(&w, add_op(&w, "Identity", add_input(&w, "x", SHAPE(2)), NULL, NULL));
    keeps_answers(&w, SHAPE(2), "remove-identity");
    ck_assert_uint_eq(w.g->n_ops, 1);
    world_end(&w);
}
END_TEST

START_TEST(constants_are_computed)
{
    world w = world_new();
    const ppq_shape in = SHAPE(2, 3);
    ppq_op *sum = add_op(&w, "Add", weights(&w, SHAPE(2, 3), 5), weights(&w, SHAPE(3), 6), NULL);
    ppq_op *neg = add_op(&w, "Neg", sum->out[0], NULL, NULL);
    finish(&w, add_op(&w, "Mul", add_input(&w, "x", in), neg->out[0], NULL));
    keeps_answers(&w, in, "fold-constants");
    ck_assert_uint_eq(w.g->n_ops, 1);
    ck_assert(ppq_var_is_const(w.g->ops[0]->in[1]));
    world_end(&w);
}
END_TEST

START_TEST(shape_of_a_known_tensor_is_computed)
{
    world w = world_new();
    const ppq_shape in = SHAPE(2, 3);
    ppq_var *x = add_input(&w, "x", in);
    ppq_op *shape = add_op(&w, "Shape", x, NULL, NULL);
    ppq_op *relu = add_op(&w, "Relu", x, NULL, NULL);
    finish(&w, add_op(&w, "Reshape", relu->out[0], shape->out[0], NULL));
    keeps_answers(&w, in, "fold-constants");
    ck_assert_uint_eq(count_type(w.g, "Shape"), 0);
    world_end(&w);
}
END_TEST

START_TEST(random_numbers_and_huge_results_are_not_folded)
{
    world w = world_new();
    ppq_op *rnd = add_op(&w, "RandomNormal", NULL, NULL, NULL);
    ppq_op_set_ints(w.g, rnd, "shape", (const int64_t[]){ 2 }, 1);
    finish(&w, add_op(&w, "Relu", rnd->out[0], NULL, NULL));
    ppq_tensor big = tensor_new(PPQ_DT_I64, SHAPE(2));
    ppq_i64(&big)[0] = ppq_i64(&big)[1] = 4096;
    ppq_op *expand = add_op(&w, "Expand", weights(&w, SHAPE(1), 5), add_const(&w, "s", big), NULL);
    ppq_graph_mark_output(w.g, add_op(&w, "Relu", expand->out[0], NULL, NULL)->out[0]);
    run_pass(&w, "infer-shapes");
    run_pass(&w, "fold-constants");
    ck_assert_uint_eq(count_type(w.g, "RandomNormal"), 1);
    ck_assert_uint_eq(count_type(w.g, "Expand"), 1);
    world_end(&w);
}
END_TEST

// What no output needs may make no sense: it is removed, not refused.
START_TEST(dead_ops_are_not_looked_at)
{
    world w = world_new();
    ppq_var *x = add_input(&w, "x", SHAPE(2, 3));
    ppq_op *dead = add_op(&w, "MatMul", x, weights(&w, SHAPE(5, 7), 40), NULL);
    add_op(&w, "Relu", dead->out[0], NULL, NULL);
    add_op(&w, "MatMul", weights(&w, SHAPE(2, 3), 41), weights(&w, SHAPE(5, 7), 42), NULL);
    finish(&w, add_op(&w, "Neg", x, NULL, NULL));
    run_pass(&w, "infer-shapes");
    run_pass(&w, "fold-constants");
    run_pass(&w, "remove-identity");
    ck_assert_uint_eq(w.g->n_ops, 1);
    ck_assert(ppq_shape_equal(&w.g->outputs[0]->shape, &SHAPE(2, 3)));
    world_end(&w);
}
END_TEST

// ---- passive-parameters ---------------------------------------------------------------------

static const ppq_qfmt act = PPQ_FMT_U8_ASYM;
static const ppq_qfmt weight = PPQ_FMT_S8_NARROW_CHANNEL;
static const ppq_qfmt bias_fmt = PPQ_FMT_S32_BIAS_CHANNEL;

static ppq_tqc *tqc_with(world *w, const ppq_qfmt *f, uint32_t n, float scale)
{
    ppq_tqc *t = ppq_graph_new_tqc(w->g, f);
    float s[4], o[4] = { 0 };
    for (uint32_t i = 0; i < n; i++)
        s[i] = scale;
    OK(w->d, ppq_tqc_set_state(t, PPQ_QS_ACTIVATED, w->d));
    OK(w->d, ppq_tqc_set_params(t, w->g->arena, n, s, o, w->d));
    return t;
}

static ppq_op *quantized_conv(world *w, float x_scale, float w_scale, const float *bias)
{
    ppq_op *op =
        add_op(w, "Conv", add_input(w, "x", SHAPE(1, 1, 2, 2)), weights(w, SHAPE(4, 1, 1, 1), 5),
               add_const(w, "b", tensor_f32(SHAPE(4), bias)));
    op->place = PPQ_PLACE_QUANT;
    op->tqc_in = ppq_new_n(w->g->arena, ppq_tqc *, 3);
    op->tqc_out = ppq_new_n(w->g->arena, ppq_tqc *, 1);
    op->tqc_in[0] = tqc_with(w, &act, 1, x_scale);
    op->tqc_in[1] = tqc_with(w, &weight, 4, w_scale);
    op->tqc_in[2] = ppq_graph_new_tqc(w->g, &bias_fmt);
    op->tqc_in[2]->state = PPQ_QS_PASSIVE_INIT;
    op->tqc_out[0] = tqc_with(w, &act, 1, 1);
    ppq_graph_mark_output(w->g, op->out[0]);
    return op;
}

START_TEST(a_bias_takes_the_accumulators_scale)
{
    world w = world_new();
    ppq_op *op = quantized_conv(&w, 0.5f, 0.25f, (const float[]){ 1, -2, 0, 3 });
    run_pass(&w, "passive-parameters");
    ck_assert_int_eq(op->tqc_in[2]->state, PPQ_QS_PASSIVE);
    ck_assert_uint_eq(op->tqc_in[2]->n, 4);
    for (uint32_t c = 0; c < 4; c++) {
        SAME(op->tqc_in[2]->scale[c], 0.125f);
        SAME(op->tqc_in[2]->offset[c], 0);
    }
    world_end(&w);
}
END_TEST

// Tiny weights and a big bias: 32 bits must hold it, so that channel's weight scale grows.
START_TEST(a_bias_beyond_32_bits_grows_the_weight_scale)
{
    static const float bias[] = { 1000, -5e6f, 1e-9f, 0 };
    world w = world_new();
    ppq_op *op = quantized_conv(&w, 1e-4f, 1e-12f, bias);
    run_pass(&w, "passive-parameters");
    ppq_tensor q;
    OK(w.d, ppq_tqc_quantize(op->tqc_in[2], &op->in[2]->value, &q));
    ck_assert_int_eq(q.dtype, PPQ_DT_I32);
    for (uint32_t c = 0; c < 4; c++) {
        const float s = ppq_tqc_param(op->tqc_in[2], c).scale;
        const int32_t v = ((const int32_t *) ppq_tensor_data(&q))[c];
        ck_assert_msg(fabs((double) v * (double) s - (double) bias[c]) <=
                          (double) s + 1e-6 * fabs((double) bias[c]),
                      "channel %u: %d x %g for %g", c, v, (double) s, (double) bias[c]);
        // The accumulator's scale is still the product of the two.
        SAME(s, 1e-4f * ppq_tqc_param(op->tqc_in[1], c).scale);
    }
    SAME(ppq_tqc_param(op->tqc_in[1], 3).scale, 1e-12f);
    ppq_tensor_unref(&q);
    world_end(&w);
}
END_TEST

START_TEST(a_bias_without_calibrated_inputs_stays_float)
{
    world w = world_new();
    ppq_op *op = quantized_conv(&w, 1, 1, (const float[]){ 1, 2, 3, 4 });
    OK(w.d, ppq_tqc_set_state(op->tqc_in[0], PPQ_QS_FP32, w.d));
    run_pass(&w, "passive-parameters");
    ck_assert_int_eq(op->tqc_in[2]->state, PPQ_QS_FP32);
    world_end(&w);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { batch_norm_folds_into_convolutions, (int) PPQ_COUNT(norm_cases) },
        { batch_norm_folds_into_gemm, 16 },
        { batch_norm_stays_where_others_read_the_convolution, 1 },
        { a_shared_weight_is_not_scaled_for_both, 1 },
        { lone_batch_norm_becomes_a_convolution, 2 },
        { an_added_constant_becomes_the_bias, 2 * (int) PPQ_COUNT(bias_cases) },
        { a_bias_that_exists_is_kept, 2 },
        { gemm_becomes_plain, 16 },
        { gemm_with_a_computed_bias_keeps_beta, 1 },
        { what_does_nothing_goes, 1 },
        { transposes_that_cancel_go, 4 },
        { other_transposes_stay, 4 },
        { a_cast_to_another_type_stays, 1 },
        { an_identity_between_fixed_ends_stays, 1 },
        { constants_are_computed, 1 },
        { shape_of_a_known_tensor_is_computed, 1 },
        { random_numbers_and_huge_results_are_not_folded, 1 },
        { dead_ops_are_not_looked_at, 1 },
        { a_bias_takes_the_accumulators_scale, 1 },
        { a_bias_beyond_32_bits_grows_the_weight_scale, 1 },
        { a_bias_without_calibrated_inputs_stays_float, 1 },
    };
    return run_tests("passes", tests, PPQ_COUNT(tests));
}
