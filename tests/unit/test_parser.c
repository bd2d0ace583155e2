// Reading models: what is understood.

#include "exporter/onnx_writer.h"
#include "parser/nested.h"
#include "tests/unit/harness.h"
#include "tests/unit/model_fixture.h"

// ---- what is understood ---------------------------------------------------------------------

START_TEST(test_structure)
{
    fixture f = fx_begin(13);
    fx_node(&f, "Relu", "x", "a");
    Onnx__NodeProto *named = fx_node(&f, "Add", "a,w", "b");
    named->name = fx_str(&f, "sum");
    fx_node(&f, "Clip", "b,,w0", "y");
    fx_init(&f, "w", 1, fx_three, 12, (const float[]){ 1, 2, 3 });
    fx_init(&f, "w0", 1, fx_scalar, 4, (const float[]){ 9 });
    ppq_graph *g = fx_parse(&f);
    ck_assert_uint_eq(g->n_ops, 3);
    ck_assert_str_eq(g->ops[0]->name, "generated_name_0");
    ck_assert_str_eq(g->ops[1]->name, "sum");
    ck_assert_str_eq(g->ops[2]->name, "generated_name_1");
    ck_assert_ptr_null(g->ops[2]->in[1]);
    ck_assert_int_eq(g->n_inputs, 1);
    ck_assert_int_eq(g->inputs[0]->shape.dim[1], 3);
    const ppq_var *w = ppq_graph_find_var(g, "w");
    ck_assert(ppq_var_is_const(w) && ppq_f32(&w->value)[2] == 3.0f);
    ck_assert_ptr_eq(w->uses[0].op, g->ops[1]);
    ck_assert_int_eq(ppq_graph_opset(g, ""), 13);
    ppq_graph_destroy(g);
    fx_end(&f);
}
END_TEST

START_TEST(test_unsorted_and_equal_names)
{
    fixture f = fx_begin(13);
    fx_node(&f, "Neg", "a", "y")->name = fx_str(&f, "same");
    fx_node(&f, "Relu", "x", "a")->name = fx_str(&f, "same");
    ppq_graph *g = fx_parse(&f);
    ck_assert_str_eq(g->ops[0]->type, "Neg");
    ck_assert_str_ne(g->ops[0]->name, g->ops[1]->name);
    // Written in an order that other readers accept.
    void *bytes;
    size_t n;
    ck_assert_int_eq(ppq_onnx_write_bytes(g, &bytes, &n, f.d), PPQ_OK);
    ppq_graph *again = fx_parse_bytes(&f, bytes, n, NULL);
    ck_assert_str_eq(again->ops[0]->type, "Relu");
    free(bytes);
    ppq_graph_destroy(again);
    ppq_graph_destroy(g);
    fx_end(&f);
}
END_TEST

START_TEST(test_inputs_that_are_constants)
{
    fixture f = fx_begin(9);
    f.model->ir_version = 3;
    FX_PUSH(&f, f.graph, input, fx_value(&f, "w", 1, fx_three));
    FX_PUSH(&f, f.graph, output, fx_value(&f, "w", 1, fx_three));
    FX_PUSH(&f, f.graph, output, fx_value(&f, "x", 1, NULL));
    fx_init(&f, "w", 1, fx_three, 12, (const float[]){ 1, 2, 3 });
    fx_node(&f, "Add", "x,w", "y");
    ppq_graph *g = fx_parse(&f);
    ck_assert_int_eq(g->n_inputs, 1);
    ck_assert_int_eq(g->n_outputs, 3);
    ck_assert(ppq_var_is_const(g->outputs[1]) && !g->outputs[1]->is_input);
    ck_assert(g->outputs[2]->is_input);
    ppq_graph_destroy(g);
    fx_end(&f);
}
END_TEST

START_TEST(test_symbols)
{
    fixture f = fx_begin(13);
    Onnx__TensorShapeProto *s = f.graph->input[0]->type->tensor_type->shape;
    for (int i = 0; i < 2; i++) {
        s->dim[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        s->dim[i]->dim_param = fx_str(&f, "batch");
    }
    fx_finish(&f);
    ppq_graph *g = fx_parse(&f);
    const ppq_var *x = g->inputs[0];
    ck_assert_int_eq(x->shape.dim[0], PPQ_DIM_SYMBOL(0));
    ck_assert_int_eq(x->shape.dim[1], PPQ_DIM_SYMBOL(0));
    ck_assert_str_eq(g->symbols[0], "batch");
    ppq_graph_destroy(g);
    fx_end(&f);
}
END_TEST

enum typed_list { FLOATS, DOUBLES, INT32S, INT64S, UINT64S };

static void set_typed(fixture *f, Onnx__TensorProto *t, enum typed_list list, size_t n,
                      const int64_t *v)
{
#define FILL(field, type)                    \
    do {                                     \
        t->n_##field = n;                    \
        t->field = ppq_new_n(f->a, type, n); \
        for (size_t i = 0; i < n; i++)       \
            t->field[i] = (type) v[i];       \
    } while (0)
    switch (list) {
    case FLOATS:
        FILL(float_data, float);
        break;
    case DOUBLES:
        FILL(double_data, double);
        break;
    case INT32S:
        FILL(int32_data, int32_t);
        break;
    case INT64S:
        FILL(int64_data, int64_t);
        break;
    case UINT64S:
        FILL(uint64_data, uint64_t);
        break;
    }
#undef FILL
}

// Entry i of a list as the tensor's bytes have it.
static int64_t get_entry(const unsigned char *data, enum typed_list list, size_t width, size_t i)
{
    if (list == FLOATS)
        return (int64_t) ((const float *) (const void *) data)[i];
    if (list == DOUBLES)
        return (int64_t) ((const double *) (const void *) data)[i];
    int64_t x = 0;
    memcpy(&x, data + i * width, width);
    return x;
}

// Three elements of every data type, as typed lists; written as raw data they read the same.
START_TEST(test_data_types)
{
    static const struct {
        ppq_dtype type;
        size_t bytes;
        enum typed_list list;
        size_t n;
        int64_t v[6];
    } t[] = {
        { PPQ_DT_F32, 12, FLOATS, 3, { 1, -2, 3 } },
        { PPQ_DT_F64, 24, DOUBLES, 3, { 1, -2, 3 } },
        { PPQ_DT_C64, 24, FLOATS, 6, { 1, 2, 3, 4, 5, 6 } },
        { PPQ_DT_C128, 48, DOUBLES, 6, { 1, 2, 3, 4, 5, 6 } },
        { PPQ_DT_I64, 24, INT64S, 3, { 1, -2, 3 } },
        { PPQ_DT_U32, 12, UINT64S, 3, { 1, 2, 3 } },
        { PPQ_DT_U64, 24, UINT64S, 3, { 1, 2, 3 } },
        { PPQ_DT_I32, 12, INT32S, 3, { 1, -2, 3 } },
        { PPQ_DT_I16, 6, INT32S, 3, { 1, -2, 3 } },
        { PPQ_DT_U16, 6, INT32S, 3, { 1, 65534, 3 } },
        { PPQ_DT_I8, 3, INT32S, 3, { 1, -2, 3 } },
        { PPQ_DT_U8, 3, INT32S, 3, { 1, 254, 3 } },
        { PPQ_DT_BOOL, 3, INT32S, 3, { 1, 0, 1 } },
        { PPQ_DT_F16, 6, INT32S, 3, { 0x3c00, 0, 7 } },
        { PPQ_DT_BF16, 6, INT32S, 3, { 0x3f80, 0, 7 } },
        { PPQ_DT_F8E4M3FN, 3, INT32S, 3, { 1, 2, 3 } },
        { PPQ_DT_F8E4M3FNUZ, 3, INT32S, 3, { 1, 2, 3 } },
        { PPQ_DT_F8E5M2, 3, INT32S, 3, { 1, 2, 3 } },
        { PPQ_DT_F8E5M2FNUZ, 3, INT32S, 3, { 1, 2, 3 } },
        { PPQ_DT_F8E8M0, 3, INT32S, 3, { 1, 2, 3 } },
        { PPQ_DT_U4, 2, INT32S, 2, { 0x21, 3 } },
        { PPQ_DT_I4, 2, INT32S, 2, { 0xf1, 3 } },
        { PPQ_DT_F4E2M1, 2, INT32S, 2, { 0x21, 3 } },
        { PPQ_DT_U2, 1, INT32S, 1, { 0x1b } },
        { PPQ_DT_I2, 1, INT32S, 1, { 0x1b } },
    };
    for (size_t i = 0; i < PPQ_COUNT(t); i++) {
        fixture f = fx_begin(25);
        fx_finish(&f);
        Onnx__TensorProto *p = fx_tensor(&f, "typed", (int32_t) t[i].type, fx_three);
        set_typed(&f, p, t[i].list, t[i].n, t[i].v);
        FX_PUSH(&f, f.graph, initializer, p);
        ppq_graph *g = fx_parse(&f);
        const ppq_var *typed = ppq_graph_find_var(g, "typed");
        ck_assert_uint_eq(ppq_tensor_bytes(&typed->value), t[i].bytes);
        const size_t width = t[i].bytes / t[i].n;
        for (size_t k = 0; k < t[i].n; k++) {
            const int64_t mask =
                width < 8 && t[i].list >= INT32S ? ((int64_t) 1 << (8 * width)) - 1 : -1;
            ck_assert_int_eq(get_entry(ppq_tensor_data(&typed->value), t[i].list, width, k),
                             t[i].v[k] & mask);
        }
        void *bytes;
        size_t size;
        ck_assert_int_eq(ppq_onnx_write_bytes(g, &bytes, &size, f.d), PPQ_OK);
        ppq_graph *again = fx_parse_bytes(&f, bytes, size, NULL);
        ck_assert(ppq_tensor_equal(&typed->value, &ppq_graph_find_var(again, "typed")->value));
        free(bytes);
        ppq_graph_destroy(again);
        ppq_graph_destroy(g);
        fx_end(&f);
    }
}
END_TEST

START_TEST(test_strings)
{
    fixture f = fx_begin(13);
    fx_finish(&f);
    Onnx__TensorProto *t = fx_tensor(&f, "s", PPQ_DT_STRING, fx_two);
    t->n_string_data = 2;
    t->string_data = ppq_new_n(f.a, ProtobufCBinaryData, 2);
    t->string_data[0] = (ProtobufCBinaryData){ 3, (uint8_t *) fx_str(&f, "abc") };
    FX_PUSH(&f, f.graph, initializer, t);
    ppq_graph *g = fx_parse(&f);
    void *bytes;
    size_t n;
    ck_assert_int_eq(ppq_onnx_write_bytes(g, &bytes, &n, f.d), PPQ_OK);
    ppq_graph *again = fx_parse_bytes(&f, bytes, n, NULL);
    const ppq_string *s = ppq_tensor_data(&ppq_graph_find_var(again, "s")->value);
    ck_assert_uint_eq(s[0].size, 3);
    ck_assert_int_eq(memcmp(s[0].data, "abc", 3), 0);
    ck_assert_uint_eq(s[1].size, 0);
    free(bytes);
    ppq_graph_destroy(again);
    ppq_graph_destroy(g);
    fx_end(&f);
}
END_TEST

START_TEST(test_sparse)
{
    const int64_t dims[] = { 2, 3, -1 };
    fixture f = fx_begin(13);
    fx_finish(&f);
    const float v[] = { 5, 7 };
    FX_PUSH(&f, f.graph, sparse_initializer,
            fx_sparse(&f, "flat", dims, 2, v, (const int64_t[]){ 1, 5 }, 2));
    FX_PUSH(&f, f.graph, sparse_initializer,
            fx_sparse(&f, "rows", dims, 2, v, (const int64_t[]){ 0, 1, 1, 2 }, 4));
    ppq_graph *g = fx_parse(&f);
    const float want[] = { 0, 5, 0, 0, 0, 7 };
    ck_assert_int_eq(memcmp(ppq_f32(&ppq_graph_find_var(g, "flat")->value), want, 24), 0);
    ck_assert_int_eq(memcmp(ppq_f32(&ppq_graph_find_var(g, "rows")->value), want, 24), 0);
    ppq_graph_destroy(g);
    fx_end(&f);

    f = fx_begin(13);
    fx_finish(&f);
    FX_PUSH(&f, f.graph, sparse_initializer,
            fx_sparse(&f, "s", dims, 2, v, (const int64_t[]){ 1, 6 }, 2));
    fx_refused(&f, PPQ_ERR_MODEL, "'s',sparse index 6,[0");
    f = fx_begin(13);
    fx_finish(&f);
    FX_PUSH(&f, f.graph, sparse_initializer,
            fx_sparse(&f, "s", (const int64_t[]){ 1 << 20, 1 << 20, -1 }, 2, v,
                      (const int64_t[]){ 1, 6 }, 2));
    fx_refused(&f, PPQ_ERR_UNSUPPORTED, "'s',dense bytes");
}
END_TEST

START_TEST(test_constant_nodes)
{
    fixture f = fx_begin(13);
    fx_finish(&f);
    fx_int(&f, fx_node(&f, "Constant", "", "i"), "value_int", 5);
    fx_ints(&f, fx_node(&f, "Constant", "", "is"), "value_ints", 2, (const int64_t[]){ 6, 7 });
    fx_float(&f, fx_node(&f, "Constant", "", "f"), "value_float", 0.5f);
    fx_floats(&f, fx_node(&f, "Constant", "", "fs"), "value_floats", 2, (const float[]){ 1, 2 });
    fx_string(&f, fx_node(&f, "Constant", "", "s"), "value_string", "text");
    Onnx__NodeProto *node = fx_node(&f, "Constant", "", "t");
    node->doc_string = fx_str(&f, "remark");
    Onnx__AttributeProto *a =
        fx_attr(&f, node, "value", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);
    a->t = fx_tensor(&f, "", PPQ_DT_I8, fx_two);
    fx_raw(&f, a->t, 2, "\1\2");
    a = fx_attr(&f, fx_node(&f, "Constant", "", "sp"), "sparse_value",
                ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR);
    a->sparse_tensor =
        fx_sparse(&f, "", fx_two, 1, (const float[]){ 3 }, (const int64_t[]){ 1 }, 1);
    ppq_graph *g = fx_parse(&f);
    ck_assert_uint_eq(g->n_ops, 1);
    const char *const names[] = { "i", "is", "f", "fs", "s", "t", "sp" };
    for (size_t i = 0; i < PPQ_COUNT(names); i++)
        ck_assert_msg(ppq_var_is_const(ppq_graph_find_var(g, names[i])), "%s", names[i]);
    ck_assert_int_eq(ppq_i64(&ppq_graph_find_var(g, "is")->value)[1], 7);
    ck_assert_int_eq(ppq_graph_find_var(g, "i")->shape.rank, 0);
    ck_assert(ppq_f32(&ppq_graph_find_var(g, "sp")->value)[1] == 3.0f);
    ck_assert_uint_gt(ppq_graph_find_var(g, "t")->tensor_extra.size, 0);
    ppq_graph_destroy(g);
    fx_end(&f);
}
END_TEST

START_TEST(test_nested)
{
    fixture f = fx_begin(13);
    fx_node(&f, "Relu", "x", "r");
    fx_node(&f, "Neg", "x", "other");
    Onnx__NodeProto *n = fx_node(&f, "If", "c", "y");
    fx_init(&f, "c", PPQ_DT_BOOL, fx_scalar, 1, "\1");
    Onnx__GraphProto *then = fx_graph(&f, n, "then_branch"), *els = fx_graph(&f, n, "else_branch");
    fx_node_in(&f, then, "Add", "r,inner", "t");
    FX_PUSH(&f, then, initializer, fx_tensor(&f, "inner", 1, (const int64_t[]){ 0, -1 }));
    FX_PUSH(&f, then, output, fx_value(&f, "t", 1, NULL));
    // A graph in a graph reads through both.
    Onnx__NodeProto *deep = fx_node_in(&f, els, "If", "c", "e");
    fx_node_in(&f, fx_graph(&f, deep, "then_branch"), "Add", "x,r", "q");
    FX_PUSH(&f, els, output, fx_value(&f, "e", 1, NULL));
    ppq_graph *g = fx_parse(&f);
    ppq_op *op = ppq_graph_find_var(g, "y")->producer.op;
    ck_assert_int_eq(op->n_in, 1);
    ck_assert_int_eq(op->n_implicit, 3);
    ck_assert_str_eq(op->in[1]->name, "r");
    ck_assert_str_eq(op->in[2]->name, "c");
    ck_assert_str_eq(op->in[3]->name, "x");

    ppq_nested nested;
    ck_assert_int_eq(ppq_nested_parse(g, op, "then_branch", 0, &nested, f.d), PPQ_OK);
    ck_assert_int_eq(nested.n_formal, 0);
    ck_assert_int_eq(nested.graph->n_inputs, 1);
    ck_assert_str_eq(nested.graph->inputs[0]->name, "r");
    ppq_graph_destroy(nested.graph);
    ck_assert_int_eq(ppq_nested_parse(g, op, "then_branch", 1, &nested, f.d), PPQ_ERR_ARG);

    // Moving the edge renames the captured tensor in the file.
    ppq_graph_set_input(g, op, 1, ppq_graph_find_var(g, "other"));
    void *bytes;
    size_t size;
    ck_assert_int_eq(ppq_onnx_write_bytes(g, &bytes, &size, f.d), PPQ_OK);
    ppq_graph *again = fx_parse_bytes(&f, bytes, size, NULL);
    ck_assert_str_eq(ppq_graph_find_var(again, "y")->producer.op->in[1]->name, "other");
    ppq_graph_destroy(again);
    free(bytes);
    // A name that means something else inside cannot be captured.
    ppq_graph_rename_var(g, op->in[1], "inner");
    ck_assert_int_eq(ppq_onnx_write_bytes(g, &bytes, &size, f.d), PPQ_ERR_UNSUPPORTED);
    ppq_graph_destroy(g);
    fx_end(&f);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { test_structure, 1 },
        { test_unsorted_and_equal_names, 1 },
        { test_inputs_that_are_constants, 1 },
        { test_symbols, 1 },
        { test_data_types, 1 },
        { test_strings, 1 },
        { test_sparse, 1 },
        { test_constant_nodes, 1 },
        { test_nested, 1 },
    };
    return run_tests("parser", tests, PPQ_COUNT(tests));
}
