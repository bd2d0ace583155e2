// Old spellings become new ones, functions are expanded.
#include "exporter/onnx_writer.h"
#include "parser/nested.h"
#include "parser/normalize/rule.h"
#include "tests/unit/harness.h"
#include "tests/unit/normalize_fixture.h"

START_TEST(test_newer_keeps_its_opset)
{
    fixture f = fx_begin(17);
    fx_node(&f, "Relu", "x", "y");
    ppq_graph *g = fx_parse(&f);
    ck_assert_int_eq(ppq_normalize(g, f.d), PPQ_OK);
    ck_assert_int_eq(ppq_graph_opset(g, ""), 17);
    done(&f, g);
}
END_TEST

START_TEST(test_clip)
{
    fixture f = fx_begin(9);
    Onnx__NodeProto *n = fx_node(&f, "Clip", "x", "a");
    fx_float(&f, n, "min", 0);
    fx_float(&f, n, "max", 6);
    fx_float(&f, fx_node(&f, "Clip", "a", "y"), "max", 1);
    ppq_graph *g = normal(&f);
    const ppq_op *first = ppq_graph_find_var(g, "a")->producer.op;
    check_scalar(first, 1, PPQ_DT_F32, 0);
    check_scalar(first, 2, PPQ_DT_F32, 6);
    ck_assert_int_eq(first->n_attrs, 0);
    const ppq_op *second = ppq_graph_find_var(g, "y")->producer.op;
    ck_assert_ptr_null(second->in[1]);
    check_scalar(second, 2, PPQ_DT_F32, 1);
    done(&f, g);
}
END_TEST

START_TEST(test_clip_of_half)
{
    fixture f = fx_begin(9);
    fx_int(&f, fx_node(&f, "Cast", "x", "h"), "to", PPQ_DT_F16);
    fx_float(&f, fx_node(&f, "Clip", "h", "c"), "min", 0.5f);
    fx_int(&f, fx_node(&f, "Cast", "c", "y"), "to", PPQ_DT_F32);
    FX_PUSH(&f, f.graph, value_info, fx_value(&f, "h", PPQ_DT_F16, NULL));
    ppq_graph *g = normal(&f);
    check_scalar(the(g, "Clip"), 1, PPQ_DT_F16, 0.5);
    done(&f, g);
}
END_TEST

START_TEST(test_slice)
{
    fixture f = fx_begin(9);
    Onnx__NodeProto *n = fx_node(&f, "Slice", "x", "y");
    fx_ints(&f, n, "ends", INTS(1000, -1));
    fx_ints(&f, n, "starts", INTS(1, 0));
    fx_ints(&f, n, "axes", INTS(0, 1));
    ppq_graph *g = normal(&f);
    check_ints(the(g, "Slice"), 1, INTS(1, 0));
    check_ints(the(g, "Slice"), 2, INTS(1000, -1));
    check_ints(the(g, "Slice"), 3, INTS(0, 1));
    ck_assert_int_eq(the(g, "Slice")->n_attrs, 0);
    done(&f, g);
}
END_TEST

START_TEST(test_pad)
{
    fixture f = fx_begin(10);
    Onnx__NodeProto *n = fx_node(&f, "Pad", "x", "a");
    fx_ints(&f, n, "pads", INTS(0, 1, 0, 1));
    fx_string(&f, n, "mode", "reflect");
    fx_float(&f, n, "value", 0);
    n = fx_node(&f, "Pad", "a", "y");
    fx_ints(&f, n, "pads", INTS(0, 1, 0, 1));
    fx_float(&f, n, "value", -2);
    ppq_graph *g = normal(&f);
    const ppq_op *plain = ppq_graph_find_var(g, "a")->producer.op;
    ck_assert_int_eq(plain->n_in, 2);
    ck_assert(ppq_op_attr_is(plain, "mode", "reflect"));
    check_ints(plain, 1, INTS(0, 1, 0, 1));
    check_scalar(ppq_graph_find_var(g, "y")->producer.op, 2, PPQ_DT_F32, -2);
    done(&f, g);
}
END_TEST

START_TEST(test_axes)
{
    static const char *const types[] = { "Squeeze", "Unsqueeze", "ReduceSum" };
    for (size_t i = 0; i < PPQ_COUNT(types); i++) {
        fixture f = fx_begin(12);
        fx_ints(&f, fx_node(&f, types[i], "x", "y"), "axes", INTS(0, 1));
        ppq_graph *g = normal(&f);
        check_ints(the(g, types[i]), 1, INTS(0, 1));
        ck_assert_int_eq(the(g, types[i])->n_attrs, 0);
        done(&f, g);
    }
    fixture f = fx_begin(12);
    fx_node(&f, "Squeeze", "x", "y");
    ppq_graph *g = normal(&f);
    ck_assert_int_eq(the(g, "Squeeze")->n_in, 1);
    done(&f, g);
}
END_TEST

START_TEST(test_split_topk_scatter)
{
    fixture f = fx_begin(9);
    fx_ints(&f, fx_node(&f, "Split", "x", "a,b"), "split", INTS(1, 1));
    fx_int(&f, fx_node(&f, "TopK", "a", "k,i"), "k", 1);
    fx_node(&f, "Scatter", "x,i,k", "y");
    ppq_graph *g = normal(&f);
    check_ints(the(g, "Split"), 1, INTS(1, 1));
    check_ints(the(g, "TopK"), 1, INTS(1));
    ck_assert_int_eq(the(g, "ScatterElements")->n_in, 3);
    done(&f, g);
}
END_TEST

START_TEST(test_upsample)
{
    fixture f = fx_begin(8);
    Onnx__NodeProto *n = fx_node(&f, "Upsample", "x", "y");
    fx_floats(&f, n, "scales", 2, (const float[]){ 1, 2 });
    ppq_graph *g = normal(&f);
    const ppq_op *op = the(g, "Resize");
    ck_assert_int_eq(op->n_in, 3);
    ck_assert_ptr_null(op->in[1]);
    ck_assert(ppq_f32(&op->in[2]->value)[1] == 2.0f);
    ck_assert(ppq_op_attr_is(op, "coordinate_transformation_mode", "asymmetric"));
    ck_assert(ppq_op_attr_is(op, "nearest_mode", "floor"));
    done(&f, g);
}
END_TEST

START_TEST(test_resize_10)
{
    fixture f = fx_begin(10);
    fx_init(&f, "s", PPQ_DT_F32, (const int64_t[]){ 2, -1 }, 8, (const float[]){ 1, 0.5f });
    fx_string(&f, fx_node(&f, "Resize", "x,s", "y"), "mode", "linear");
    fx_node(&f, "Resize", "x,s", "z");
    ppq_graph *g = normal(&f);
    const ppq_op *linear = ppq_graph_find_var(g, "y")->producer.op;
    ck_assert_ptr_eq(linear->in[2], ppq_graph_find_var(g, "s"));
    ck_assert_ptr_null(ppq_op_attr(linear, "nearest_mode"));
    ck_assert(ppq_op_attr_is(ppq_graph_find_var(g, "z")->producer.op, "nearest_mode", "ceil"));
    done(&f, g);
}
END_TEST

START_TEST(test_resize_half_pixel)
{
    fixture f = fx_begin(11);
    Onnx__NodeProto *n = fx_node(&f, "Resize", "x,,s", "y");
    fx_init(&f, "s", PPQ_DT_F32, (const int64_t[]){ 2, -1 }, 8, (const float[]){ 1, 2 });
    fx_string(&f, n, "coordinate_transformation_mode", "tf_half_pixel_for_nn");
    fx_string(&f, n, "nearest_mode", "floor");
    ppq_graph *g = normal(&f);
    ck_assert(ppq_op_attr_is(the(g, "Resize"), "nearest_mode", "round_prefer_ceil"));
    done(&f, g);
}
END_TEST

START_TEST(test_dropout)
{
    fixture f = fx_begin(7);
    fx_float(&f, fx_node(&f, "Dropout", "x", "a,m0"), "ratio", 0.25f);
    fx_node(&f, "Dropout", "a", "b,m1");
    fx_node(&f, "Mul", "b,m1", "y");
    ppq_graph *g = normal(&f);
    const ppq_op *unused = ppq_graph_find_var(g, "a")->producer.op;
    ck_assert_int_eq(unused->n_out, 1);
    check_scalar(unused, 1, PPQ_DT_F32, 0.25);
    const ppq_op *cast = the(g, "Cast");
    ck_assert_str_eq(cast->out[0]->name, "m1");
    ck_assert_int_eq(ppq_op_attr_int(cast, "to", 0), PPQ_DT_F32);
    done(&f, g);
}
END_TEST

static void set_input_dims(fixture *f, const int64_t *dims)
{
    f->graph->input[0] = fx_value(f, "x", 1, dims);
}

START_TEST(test_softmax_on_one_axis)
{
    static const struct {
        int64_t dims[5];
        int64_t axis, want;
    } t[] = {
        { { 2, 3, -1 }, 1, -1 },       { { 2, 3, 4, -1 }, 2, -1 }, { { 2, 7, 1, 1, -1 }, 1, 1 },
        { { 2, 1, 1, 5, -1 }, 1, -1 }, { { 5, 1, -1 }, 0, 0 },
    };
    for (size_t i = 0; i < PPQ_COUNT(t); i++) {
        fixture f = fx_begin(9);
        set_input_dims(&f, t[i].dims);
        fx_int(&f, fx_node(&f, "Softmax", "x", "y"), "axis", t[i].axis);
        ppq_graph *g = normal(&f);
        ck_assert_uint_eq(g->n_ops, 1);
        ck_assert_int_eq(ppq_op_attr_int(the(g, "Softmax"), "axis", 99), t[i].want);
        done(&f, g);
    }
}
END_TEST

START_TEST(test_softmax_over_several_axes)
{
    fixture f = fx_begin(9);
    set_input_dims(&f, (const int64_t[]){ 2, 3, 4, -1 });
    fx_node(&f, "Softmax", "x", "y");
    ppq_graph *g = normal(&f);
    ck_assert_uint_eq(g->n_ops, 3);
    ck_assert_int_eq(ppq_op_attr_int(the(g, "Flatten"), "axis", 99), 1);
    ck_assert_int_eq(ppq_op_attr_int(the(g, "Softmax"), "axis", 99), -1);
    check_ints(the(g, "Reshape"), 1, INTS(2, 3, 4));
    ck_assert_str_eq(the(g, "Reshape")->out[0]->name, "y");
    done(&f, g);

    // Without a known shape it is taken from the data.
    f = fx_begin(9);
    f.graph->input[0] = fx_value(&f, "x", 1, NULL);
    fx_node(&f, "Softmax", "x", "y");
    g = normal(&f);
    ck_assert_ptr_eq(the(g, "Shape")->out[0], the(g, "Reshape")->in[1]);
    done(&f, g);
}
END_TEST

START_TEST(test_subgraphs)
{
    fixture f = fx_begin(9);
    fx_node(&f, "Relu", "x", "r");
    fx_init(&f, "c", PPQ_DT_BOOL, (const int64_t[]){ -1 }, 1, "\1");
    Onnx__NodeProto *n = fx_node(&f, "If", "c", "y");
    Onnx__GraphProto *then = fx_graph(&f, n, "then_branch"), *els = fx_graph(&f, n, "else_branch");
    fx_ints(&f, fx_node_in(&f, then, "Unsqueeze", "r", "t"), "axes", INTS(0));
    FX_PUSH(&f, then, output, fx_value(&f, "t", 1, NULL));
    fx_node_in(&f, els, "Neg", "x", "e");
    FX_PUSH(&f, els, output, fx_value(&f, "e", 1, NULL));
    ppq_graph *g = normal(&f);
    const ppq_op *op = the(g, "If");
    ck_assert_int_eq(op->n_implicit, 2);
    ppq_nested nested;
    ck_assert_int_eq(ppq_nested_parse(g, op, "then_branch", 0, &nested, f.d), PPQ_OK);
    check_ints(the(nested.graph, "Unsqueeze"), 1, INTS(0));
    ppq_graph_destroy(nested.graph);
    done(&f, g);
}
END_TEST

START_TEST(test_refusals_are_reported_together)
{
    fixture f = fx_begin(8);
    fx_node(&f, "Scan", "x", "a")->name = fx_str(&f, "first");
    fx_int(&f, fx_node(&f, "BatchNormalization", "a,x,x,x,x", "b"), "spatial", 0);
    fx_node(&f, "Slice", "b", "c");
    fx_node(&f, "Upsample", "c", "d");
    fx_init(&f, "cond", PPQ_DT_BOOL, (const int64_t[]){ -1 }, 1, "\1");
    Onnx__GraphProto *then = fx_graph(&f, fx_node(&f, "If", "cond", "y"), "then_branch");
    fx_node_in(&f, then, "TopK", "d", "t");
    FX_PUSH(&f, then, output, fx_value(&f, "t", 1, NULL));
    ppq_graph *g = fx_parse(&f);
    ck_assert_int_eq(ppq_normalize(g, f.d), PPQ_ERR_UNSUPPORTED);
    ck_assert_uint_eq(ppq_diag_count(f.d, PPQ_SEV_ERROR), 5);
    ck_assert_ptr_nonnull(strstr(fx_first_error(f.d), "'first'"));
    done(&f, g);
}
END_TEST

START_TEST(test_unknown_ops_are_reported_together)
{
    fixture f = fx_begin(13);
    fx_node(&f, "Frobnicate", "x", "a");
    fx_node(&f, "Frobnicate", "a", "b");
    Onnx__NodeProto *n = fx_node(&f, "Relu", "b", "y");
    n->domain = fx_str(&f, "com.example");
    fx_opset(&f, "com.example", 1);
    ppq_graph *g = fx_parse(&f);
    ck_assert_int_eq(ppq_normalize(g, f.d), PPQ_OK);
    ck_assert_uint_eq(ppq_diag_count(f.d, PPQ_SEV_WARN), 2);
    ck_assert_ptr_nonnull(strstr(ppq_diag_at(f.d, 0)->msg, "2 such ops"));
    ck_assert_ptr_nonnull(strstr(ppq_diag_at(f.d, 1)->msg, "com.example::Relu"));
    ck_assert_uint_eq(g->n_ops, 3);
    done(&f, g);
}
END_TEST

START_TEST(test_every_rule_is_complete)
{
    size_t n = 0;
    for (const ppq_normalize_rule *const *r = ppq_normalize_rules; *r; r++, n++) {
        ck_assert((*r)->apply != NULL);
        ck_assert_ptr_nonnull((*r)->op_types[0]);
        ck_assert_int_le((*r)->below, PPQ_NORMAL_OPSET);
        ck_assert_uint_gt(strlen((*r)->name), 0);
        ck_assert_uint_gt(strlen((*r)->summary), 0);
    }
    ck_assert_uint_gt(n, 10);
}
END_TEST

// ---- functions ------------------------------------------------------------------------------

static Onnx__FunctionProto *function(fixture *f, const char *name, const char *in, const char *out)
{
    FX_NEW(f, p, FunctionProto, function_proto);
    p->name = fx_str(f, name);
    p->domain = fx_str(f, "local");
    p->input = fx_names(f, in, &p->n_input);
    p->output = fx_names(f, out, &p->n_output);
    FX_PUSH(f, f->model, functions, p);
    return p;
}

static Onnx__NodeProto *body_node(fixture *f, Onnx__FunctionProto *p, const char *type,
                                  const char *in, const char *out)
{
    Onnx__GraphProto holder = ONNX__GRAPH_PROTO__INIT;
    Onnx__NodeProto *n = fx_node_in(f, &holder, type, in, out);
    FX_PUSH(f, p, node, n);
    return n;
}

static Onnx__NodeProto *local(fixture *f, Onnx__NodeProto *n)
{
    n->domain = fx_str(f, "local");
    return n;
}

START_TEST(test_functions_are_expanded)
{
    fixture f = fx_begin(17);
    fx_opset(&f, "local", 1);
    Onnx__FunctionProto *p = function(&f, "leak", "a", "b");
    Onnx__NodeProto *n = body_node(&f, p, "LeakyRelu", "a", "t");
    fx_float(&f, n, "alpha", 0);
    n->attribute[0]->ref_attr_name = fx_str(&f, "slope");
    body_node(&f, p, "Neg", "t", "b");
    Onnx__FunctionProto *q = function(&f, "twice", "a,unused", "b,a");
    Onnx__NodeProto *inner = local(&f, body_node(&f, q, "leak", "a", "t"));
    fx_float(&f, inner, "slope", 0.5f);
    local(&f, body_node(&f, q, "leak", "t", "b"));
    local(&f, fx_node(&f, "twice", "x", "y,z"));
    FX_PUSH(&f, f.graph, output, fx_value(&f, "z", 1, NULL));
    ppq_graph *g = fx_parse(&f);
    // leak, leak and the Identity for the output that is an input.
    ck_assert_uint_eq(g->n_ops, 5);
    const ppq_op *neg = ppq_graph_find_var(g, "y")->producer.op;
    ck_assert_str_eq(neg->type, "Neg");
    const ppq_op *second = neg->in[0]->producer.op;
    ck_assert_int_eq(second->n_attrs, 0);
    const ppq_op *first = second->in[0]->producer.op->in[0]->producer.op;
    ck_assert(ppq_op_attr_float(first, "alpha", 0) == 0.5f);
    ck_assert_str_eq(first->in[0]->name, "x");
    ck_assert_str_eq(ppq_graph_find_var(g, "z")->producer.op->type, "Identity");
    done(&f, g);
}
END_TEST

START_TEST(test_functions_of_other_opsets_are_kept)
{
    fixture f = fx_begin(17);
    fx_opset(&f, "local", 1);
    Onnx__FunctionProto *p = function(&f, "old", "a", "b");
    body_node(&f, p, "Relu", "a", "b");
    FX_NEW(&f, o, OperatorSetIdProto, operator_set_id_proto);
    o->has_version = true;
    o->version = 9;
    FX_PUSH(&f, p, opset_import, o);
    local(&f, fx_node(&f, "old", "x", "y"));
    ppq_graph *g = fx_parse(&f);
    ck_assert_uint_eq(ppq_diag_count(f.d, PPQ_SEV_WARN), 1);
    ck_assert_str_eq(g->ops[0]->type, "old");
    ck_assert_uint_gt(g->model_extra.size, 0);
    done(&f, g);
}
END_TEST

START_TEST(test_functions_refused)
{
    fixture f = fx_begin(17);
    fx_opset(&f, "local", 1);
    local(&f, body_node(&f, function(&f, "a", "p", "q"), "b", "p", "q"));
    local(&f, body_node(&f, function(&f, "b", "p", "q"), "a", "p", "q"));
    local(&f, fx_node(&f, "a", "x", "y"));
    fx_refused(&f, PPQ_ERR_MODEL, "'a',calls itself");

    f = fx_begin(17);
    fx_opset(&f, "local", 1);
    body_node(&f, function(&f, "a", "p", "q"), "Relu", "p", "q");
    local(&f, fx_node(&f, "a", "x,x", "y"));
    fx_refused(&f, PPQ_ERR_MODEL, "'a',2 inputs");

    f = fx_begin(17);
    fx_opset(&f, "local", 1);
    function(&f, "a", "p", "q");
    function(&f, "a", "p", "q");
    local(&f, fx_node(&f, "a", "x", "y"));
    fx_refused(&f, PPQ_ERR_MODEL, "'a',defined twice");

    // Each calls the next ten times.
    f = fx_begin(17);
    fx_opset(&f, "local", 1);
    for (int i = 0; i < 12; i++) {
        Onnx__FunctionProto *p = function(&f, ppq_arena_printf(f.a, "f%d", i), "p", "q9");
        for (int k = 0; k < 10; k++)
            local(&f, body_node(&f, p, ppq_arena_printf(f.a, "f%d", i + 1), "p",
                                ppq_arena_printf(f.a, "q%d", k)));
    }
    local(&f, fx_node(&f, "f0", "x", "y"));
    fx_refused(&f, PPQ_ERR_NOMEM, "expand to more than");
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { test_newer_keeps_its_opset, 1 },
        { test_clip, 1 },
        { test_clip_of_half, 1 },
        { test_slice, 1 },
        { test_pad, 1 },
        { test_axes, 1 },
        { test_split_topk_scatter, 1 },
        { test_upsample, 1 },
        { test_resize_10, 1 },
        { test_resize_half_pixel, 1 },
        { test_dropout, 1 },
        { test_softmax_on_one_axis, 1 },
        { test_softmax_over_several_axes, 1 },
        { test_subgraphs, 1 },
        { test_refusals_are_reported_together, 1 },
        { test_unknown_ops_are_reported_together, 1 },
        { test_every_rule_is_complete, 1 },
        { test_functions_are_expanded, 1 },
        { test_functions_of_other_opsets_are_kept, 1 },
        { test_functions_refused, 1 },
    };
    return run_tests("normalize", tests, PPQ_COUNT(tests));
}
