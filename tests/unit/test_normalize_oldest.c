// The spellings of opsets 1 to 6.
#include "executor/exec.h"
#include "tests/unit/harness.h"
#include "tests/unit/normalize_fixture.h"

// The fixture's input x is 2 x 3 x unknown.
static const int64_t fixed[] = { 2, 3, 4, -1 };

static fixture oldest(int64_t opset)
{
    fixture f = fx_begin(opset);
    f.graph->input[0] = fx_value(&f, "x", 1, fixed);
    return f;
}

// y for x = 0, 1, 2, ...
static ppq_tensor run(fixture *f, ppq_graph *g)
{
    const ppq_exec_opts o = { .reference = true };
    const ppq_shape s = { .rank = 3, .dim = { 2, 3, 4 } };
    ppq_tensor x, y = { 0 };
    ppq_exec *e;
    ck_assert_int_eq(ppq_tensor_alloc(&x, PPQ_DT_F32, &s), PPQ_OK);
    for (int i = 0; i < 24; i++)
        ppq_f32(&x)[i] = (float) i;
    ppq_graph_compact(g);
    ck_assert_int_eq(ppq_exec_create(g, &o, &e, f->d), PPQ_OK);
    ck_assert_msg(ppq_exec_run(e, &x, &y, NULL, f->d) == PPQ_OK, "%s", fx_first_error(f->d));
    ppq_exec_destroy(e);
    ppq_tensor_unref(&x);
    return y;
}

static void refused(fixture *f, const char *words)
{
    ppq_graph *g = fx_parse(f);
    ck_assert_int_eq(ppq_normalize(g, f->d), PPQ_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(fx_first_error(f->d), words) != NULL, "%s", fx_first_error(f->d));
    done(f, g);
}

START_TEST(test_hints_go)
{
    fixture f = oldest(1);
    fx_ints(&f, fx_node(&f, "Relu", "x", "a"), "consumed_inputs", INTS(0));
    fx_node(&f, "Selu", "a", "y");
    ppq_graph *g = normal(&f);
    ck_assert_int_eq(the(g, "Relu")->n_attrs, 0);
    ck_assert(ppq_op_attr_float(the(g, "Selu"), "alpha", 0) == 1.6732f);
    done(&f, g);
}
END_TEST

START_TEST(test_broadcast_along_an_axis)
{
    static const float b[] = { 100, 200, 300 };
    static const struct {
        int64_t axis;
        const char *type;
        float first, last; // of y
    } cases[] = { { 1, "Add", 100, 323 }, { -2, "Sub", -100, -277 } };
    for (size_t i = 0; i < PPQ_COUNT(cases); i++) {
        fixture f = oldest(6);
        fx_init(&f, "b", 1, fx_three, sizeof(b), b);
        Onnx__NodeProto *n = fx_node(&f, cases[i].type, "x,b", "y");
        fx_int(&f, n, "broadcast", 1);
        fx_int(&f, n, "axis", cases[i].axis);
        ppq_graph *g = normal(&f);
        ppq_tensor y = run(&f, g);
        ck_assert(ppq_f32(&y)[0] == cases[i].first);
        ck_assert(ppq_f32(&y)[23] == cases[i].last);
        ppq_tensor_unref(&y);
        done(&f, g);
    }
}
END_TEST

START_TEST(test_broadcast_that_does_not_fit)
{
    static const float b[] = { 1, 2, 3 };
    fixture f = oldest(6);
    fx_init(&f, "b", 1, fx_three, sizeof(b), b);
    Onnx__NodeProto *n = fx_node(&f, "Mul", "x,b", "y");
    fx_int(&f, n, "broadcast", 1);
    fx_int(&f, n, "axis", 3);
    refused(&f, "along axis 3 of 3");
}
END_TEST

START_TEST(test_a_slope_per_channel)
{
    static const float slope[] = { 1, 2, 3 };
    fixture f = oldest(6);
    fx_init(&f, "s", 1, fx_three, sizeof(slope), slope);
    fx_node(&f, "Neg", "x", "n");
    fx_node(&f, "PRelu", "n,s", "y");
    ppq_graph *g = normal(&f);
    ppq_tensor y = run(&f, g);
    ck_assert(ppq_f32(&y)[3] == -3);
    ck_assert(ppq_f32(&y)[23] == -69);
    ppq_tensor_unref(&y);
    done(&f, g);
}
END_TEST

START_TEST(test_training_is_refused)
{
    fixture f = oldest(6);
    fx_int(&f, fx_node(&f, "Dropout", "x", "y"), "is_test", 1);
    ppq_graph *g = normal(&f);
    ck_assert_ptr_null(ppq_op_attr(the(g, "Dropout"), "is_test"));
    done(&f, g);
    f = oldest(6);
    fx_node(&f, "Dropout", "x", "y");
    refused(&f, "training mode");
}
END_TEST

START_TEST(test_attributes_of_shape)
{
    fixture f = oldest(1);
    fx_ints(&f, fx_node(&f, "Reshape", "x", "a"), "shape", INTS(6, 4));
    fx_ints(&f, fx_node(&f, "Pad", "a", "b"), "paddings", INTS(0, 1, 0, 0));
    fx_node(&f, "Concat", "b,b", "c");
    fx_string(&f, fx_node(&f, "Cast", "c", "y"), "to", "DOUBLE");
    ppq_graph *g = normal(&f);
    check_ints(the(g, "Reshape"), 1, INTS(6, 4));
    check_ints(the(g, "Pad"), 1, INTS(0, 1, 0, 0));
    ck_assert_int_eq(ppq_op_attr_int(the(g, "Concat"), "axis", 0), 1);
    ck_assert_int_eq(ppq_op_attr_int(the(g, "Cast"), "to", 0), PPQ_DT_F64);
    done(&f, g);
    f = oldest(5);
    fx_string(&f, fx_node(&f, "Cast", "x", "y"), "to", "FLOAT7");
    refused(&f, "not known");
}
END_TEST

START_TEST(test_tile)
{
    static const float times[] = { 2 }, axis[] = { 1 };
    fixture f = oldest(5);
    fx_init(&f, "t", 1, fx_scalar, sizeof(times), times);
    fx_init(&f, "a", 1, fx_scalar, sizeof(axis), axis);
    fx_node(&f, "Tile", "x,t,a", "y");
    ppq_graph *g = normal(&f);
    ck_assert_int_eq(the(g, "Tile")->n_in, 2);
    check_ints(the(g, "Tile"), 1, INTS(1, 2, 1));
    done(&f, g);
}
END_TEST

START_TEST(test_upsample)
{
    fixture f = oldest(1);
    fx_ints(&f, fx_node(&f, "Reshape", "x", "a"), "shape", INTS(1, 2, 3, 4));
    Onnx__NodeProto *n = fx_node(&f, "Upsample", "a", "y");
    fx_float(&f, n, "height_scale", 2);
    fx_float(&f, n, "width_scale", 3);
    ppq_graph *g = normal(&f);
    const ppq_op *r = the(g, "Resize");
    ck_assert(ppq_f32(&r->in[2]->value)[2] == 2);
    ck_assert(ppq_f32(&r->in[2]->value)[3] == 3);
    ck_assert_int_eq(ppq_shape_numel(&r->in[2]->shape), 4);
    done(&f, g);
    f = oldest(1);
    fx_node(&f, "Upsample", "x", "y");
    refused(&f, "height_scale");
}
END_TEST

START_TEST(test_pools_and_products)
{
    fixture f = oldest(1);
    fx_float(&f, fx_node(&f, "GlobalLpPool", "x", "p"), "p", 3);
    fx_int(&f, fx_node(&f, "Gemm", "p,p,p", "y"), "broadcast", 1);
    ppq_graph *g = normal(&f);
    ck_assert_int_eq(ppq_op_attr_int(the(g, "GlobalLpPool"), "p", 0), 3);
    ck_assert_int_eq(the(g, "Gemm")->n_attrs, 0);
    done(&f, g);
    f = oldest(1);
    fx_float(&f, fx_node(&f, "GlobalLpPool", "x", "y"), "p", 2.5f);
    refused(&f, "p = 2.5");
}
END_TEST

START_TEST(test_recurrent_outputs)
{
    fixture f = oldest(6);
    fx_int(&f, fx_node(&f, "LSTM", "x,x,x", "y"), "output_sequence", 1);
    ppq_graph *g = normal(&f);
    ck_assert_int_eq(the(g, "LSTM")->n_attrs, 0);
    done(&f, g);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { test_hints_go, 1 },
        { test_broadcast_along_an_axis, 1 },
        { test_broadcast_that_does_not_fit, 1 },
        { test_a_slope_per_channel, 1 },
        { test_training_is_refused, 1 },
        { test_attributes_of_shape, 1 },
        { test_tile, 1 },
        { test_upsample, 1 },
        { test_pools_and_products, 1 },
        { test_recurrent_outputs, 1 },
    };
    return run_tests("normalize_oldest", tests, PPQ_COUNT(tests));
}
