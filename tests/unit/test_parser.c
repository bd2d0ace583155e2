// Reading models: what is understood, what is kept, what is refused and how.
#define _XOPEN_SOURCE 700

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exporter/onnx_writer.h"
#include "parser/nested.h"
#include "parser/wire.h"
#include "tests/unit/model_fixture.h"

// ---- what is understood ------------------------------------------------------------------------

static const int64_t scalar[] = { -1 }, one[] = { 1, -1 }, two[] = { 2, -1 }, three[] = { 3, -1 };

// y = x, so that the model is whole and the test is about something else.
static void finish(fixture *f)
{
    fx_node(f, "Identity", "x", "y");
}

START_TEST(test_structure)
{
    fixture f = fx_begin(13);
    fx_node(&f, "Relu", "x", "a");
    Onnx__NodeProto *named = fx_node(&f, "Add", "a,w", "b");
    named->name = fx_str(&f, "sum");
    fx_node(&f, "Clip", "b,,w0", "y");
    fx_init(&f, "w", 1, three, 12, (const float[]){ 1, 2, 3 });
    fx_init(&f, "w0", 1, scalar, 4, (const float[]){ 9 });
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
    FX_PUSH(&f, f.graph, input, fx_value(&f, "w", 1, three));
    FX_PUSH(&f, f.graph, output, fx_value(&f, "w", 1, three));
    FX_PUSH(&f, f.graph, output, fx_value(&f, "x", 1, NULL));
    fx_init(&f, "w", 1, three, 12, (const float[]){ 1, 2, 3 });
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
    finish(&f);
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
        finish(&f);
        Onnx__TensorProto *p = fx_tensor(&f, "typed", (int32_t) t[i].type, three);
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
    finish(&f);
    Onnx__TensorProto *t = fx_tensor(&f, "s", PPQ_DT_STRING, two);
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

static Onnx__SparseTensorProto *sparse(fixture *f, const char *name, const int64_t *dims, size_t n,
                                       const float *values, const int64_t *indices,
                                       size_t n_indices)
{
    FX_NEW(f, s, SparseTensorProto, sparse_tensor_proto);
    s->values = fx_tensor(f, name, PPQ_DT_F32, (const int64_t[]){ (int64_t) n, -1 });
    fx_raw(f, s->values, n * sizeof(float), values);
    const int64_t flat[] = { (int64_t) n_indices, -1 };
    const int64_t rows[] = { (int64_t) n, (int64_t) (n ? n_indices / n : 0), -1 };
    s->indices = fx_tensor(f, "", PPQ_DT_I64, n == n_indices ? flat : rows);
    fx_raw(f, s->indices, n_indices * sizeof(int64_t), indices);
    for (s->n_dims = 0; dims[s->n_dims] != -1;)
        s->n_dims++;
    s->dims = ppq_new_n(f->a, int64_t, s->n_dims + 1);
    memcpy(s->dims, dims, s->n_dims * sizeof(*dims));
    return s;
}

START_TEST(test_sparse)
{
    const int64_t dims[] = { 2, 3, -1 };
    fixture f = fx_begin(13);
    finish(&f);
    const float v[] = { 5, 7 };
    FX_PUSH(&f, f.graph, sparse_initializer,
            sparse(&f, "flat", dims, 2, v, (const int64_t[]){ 1, 5 }, 2));
    FX_PUSH(&f, f.graph, sparse_initializer,
            sparse(&f, "rows", dims, 2, v, (const int64_t[]){ 0, 1, 1, 2 }, 4));
    ppq_graph *g = fx_parse(&f);
    const float want[] = { 0, 5, 0, 0, 0, 7 };
    ck_assert_int_eq(memcmp(ppq_f32(&ppq_graph_find_var(g, "flat")->value), want, 24), 0);
    ck_assert_int_eq(memcmp(ppq_f32(&ppq_graph_find_var(g, "rows")->value), want, 24), 0);
    ppq_graph_destroy(g);
    fx_end(&f);

    f = fx_begin(13);
    finish(&f);
    FX_PUSH(&f, f.graph, sparse_initializer,
            sparse(&f, "s", dims, 2, v, (const int64_t[]){ 1, 6 }, 2));
    fx_refused(&f, PPQ_ERR_MODEL, "'s',sparse index 6,[0");
    f = fx_begin(13);
    finish(&f);
    FX_PUSH(&f, f.graph, sparse_initializer,
            sparse(&f, "s", (const int64_t[]){ 1 << 20, 1 << 20, -1 }, 2, v,
                   (const int64_t[]){ 1, 6 }, 2));
    fx_refused(&f, PPQ_ERR_UNSUPPORTED, "'s',dense bytes");
}
END_TEST

START_TEST(test_constant_nodes)
{
    fixture f = fx_begin(13);
    finish(&f);
    fx_int(&f, fx_node(&f, "Constant", "", "i"), "value_int", 5);
    fx_ints(&f, fx_node(&f, "Constant", "", "is"), "value_ints", 2, (const int64_t[]){ 6, 7 });
    fx_float(&f, fx_node(&f, "Constant", "", "f"), "value_float", 0.5f);
    fx_floats(&f, fx_node(&f, "Constant", "", "fs"), "value_floats", 2, (const float[]){ 1, 2 });
    fx_string(&f, fx_node(&f, "Constant", "", "s"), "value_string", "text");
    Onnx__NodeProto *node = fx_node(&f, "Constant", "", "t");
    node->doc_string = fx_str(&f, "remark");
    Onnx__AttributeProto *a =
        fx_attr(&f, node, "value", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);
    a->t = fx_tensor(&f, "", PPQ_DT_I8, two);
    fx_raw(&f, a->t, 2, "\1\2");
    a = fx_attr(&f, fx_node(&f, "Constant", "", "sp"), "sparse_value",
                ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR);
    a->sparse_tensor = sparse(&f, "", two, 1, (const float[]){ 3 }, (const int64_t[]){ 1 }, 1);
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
    fx_init(&f, "c", PPQ_DT_BOOL, scalar, 1, "\1");
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

// ---- what is kept ------------------------------------------------------------------------------

static void add_unknown(fixture *f, ProtobufCMessage *m, const char *text)
{
    m->n_unknown_fields = 1;
    m->unknown_fields = ppq_new(f->a, ProtobufCMessageUnknownField);
    const size_t n = strlen(text);
    char *p = ppq_arena_printf(f->a, "%c%s", (char) n, text);
    *m->unknown_fields = (ProtobufCMessageUnknownField){ 1000, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
                                                         n + 1, (uint8_t *) p };
}

static void add_meta(fixture *f, size_t *n, Onnx__StringStringEntryProto ***list, const char *text)
{
    FX_NEW(f, e, StringStringEntryProto, string_string_entry_proto);
    e->key = fx_str(f, text);
    e->value = fx_str(f, text);
    *list = fx_append(f, *list, n, e);
}

static size_t count_text(const void *bytes, size_t n, const char *text)
{
    size_t count = 0;
    for (size_t i = 0; i + strlen(text) <= n; i++)
        count += memcmp((const char *) bytes + i, text, strlen(text)) == 0;
    return count;
}

START_TEST(test_everything_survives)
{
    fixture f = fx_begin(13);
    f.model->producer_name = fx_str(&f, "KEEP-producer");
    f.model->doc_string = fx_str(&f, "KEEP-model-doc");
    f.model->domain = fx_str(&f, "KEEP-domain");
    f.graph->doc_string = fx_str(&f, "KEEP-graph-doc");
    add_meta(&f, &f.model->n_metadata_props, &f.model->metadata_props, "KEEP-model-meta");
    add_meta(&f, &f.graph->n_metadata_props, &f.graph->metadata_props, "KEEP-graph-meta");
    FX_NEW(&f, fn, FunctionProto, function_proto);
    fn->name = fx_str(&f, "KEEP-function");
    fn->domain = fx_str(&f, "KEEP-function-domain");
    FX_PUSH(&f, f.model, functions, fn);
    FX_NEW(&f, training, TrainingInfoProto, training_info_proto);
    add_unknown(&f, &training->base, "KEEP-training");
    FX_PUSH(&f, f.model, training_info, training);

    Onnx__NodeProto *n = fx_node(&f, "Strange", "x,w", "y");
    n->domain = fx_str(&f, "KEEP.unknown.domain");
    n->overload = fx_str(&f, "KEEP-overload");
    n->doc_string = fx_str(&f, "KEEP-node-doc");
    add_meta(&f, &n->n_metadata_props, &n->metadata_props, "KEEP-node-meta");
    fx_opset(&f, "KEEP.unknown.domain", 3);
    FX_NEW(&f, device, NodeDeviceConfigurationProto, node_device_configuration_proto);
    device->configuration_id = fx_str(&f, "KEEP-device");
    FX_PUSH(&f, n, device_configurations, device);
    fx_int(&f, n, "KEEP-int", 4);
    n->attribute[0]->doc_string = fx_str(&f, "KEEP-attr-doc");
    Onnx__AttributeProto *a =
        fx_attr(&f, n, "KEEP-tensor", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);
    a->t = fx_tensor(&f, "KEEP-tensor-name", 1, one);
    fx_raw(&f, a->t, 4, NULL);
    a = fx_attr(&f, n, "KEEP-type", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO);
    a->tp = fx_value(&f, "", 1, NULL)->type;
    Onnx__GraphProto *sub = fx_graph(&f, n, "KEEP-graph");
    sub->doc_string = fx_str(&f, "KEEP-subgraph-doc");
    Onnx__TensorProto *w = fx_init(&f, "w", 1, one, 4, NULL);
    w->doc_string = fx_str(&f, "KEEP-weight-doc");
    Onnx__ValueInfoProto *x = f.graph->input[0];
    x->doc_string = fx_str(&f, "KEEP-input-doc");
    x->type->denotation = fx_str(&f, "KEEP-denotation");
    x->type->tensor_type->shape->dim[0]->denotation = fx_str(&f, "KEEP-dim-denotation");
    Onnx__ValueInfoProto *vw = fx_value(&f, "w", 1, one);
    vw->doc_string = fx_str(&f, "KEEP-weight-info");
    FX_PUSH(&f, f.graph, value_info, vw);
    FX_PUSH(&f, f.graph, value_info, fx_value(&f, "KEEP-stale-info", 1, one));
    FX_NEW(&f, note, TensorAnnotation, tensor_annotation);
    note->tensor_name = fx_str(&f, "KEEP-annotation");
    FX_PUSH(&f, f.graph, quantization_annotation, note);
    ProtobufCMessage *const unknown[] = {
        &f.model->base,
        &f.graph->base,
        &n->base,
        &n->attribute[0]->base,
        &n->attribute[1]->base,
        &w->base,
        &x->base,
        &x->type->base,
        &x->type->tensor_type->base,
        &sub->base,
        &f.model->opset_import[0]->base,
        &a->base,
        &a->tp->base,
    };
    for (size_t i = 0; i < PPQ_COUNT(unknown); i++)
        add_unknown(&f, unknown[i], "KEEP-unknown");
    size_t n_before, n_after;
    const uint8_t *before = fx_pack(&f, &n_before);
    ppq_graph *g = fx_parse_bytes(&f, before, n_before, NULL);
    void *after;
    ck_assert_int_eq(ppq_onnx_write_bytes(g, &after, &n_after, f.d), PPQ_OK);
    ck_assert_uint_eq(count_text(after, n_after, "KEEP"), count_text(before, n_before, "KEEP"));
    ck_assert_uint_eq(count_text(after, n_after, "KEEP-unknown"), PPQ_COUNT(unknown));
    // Once written, it is written the same for ever.
    ppq_graph *again = fx_parse_bytes(&f, after, n_after, NULL);
    void *twice;
    size_t n_twice;
    ck_assert_int_eq(ppq_onnx_write_bytes(again, &twice, &n_twice, f.d), PPQ_OK);
    ck_assert_uint_eq(n_after, n_twice);
    ck_assert_int_eq(memcmp(after, twice, n_twice), 0);
    free(twice);
    free(after);
    ppq_graph_destroy(again);
    ppq_graph_destroy(g);
    fx_end(&f);
}
END_TEST

// ---- external data -----------------------------------------------------------------------------

static char folder[64];

static void make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/ppq-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static const char *in_folder(fixture *f, const char *name)
{
    return ppq_arena_printf(f->a, "%s/%s", folder, name);
}

static void write_file(const char *path, const void *data, size_t n)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
}

static size_t empty_folder(const char *path, bool remove_files)
{
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    size_t n = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        char name[400];
        snprintf(name, sizeof(name), "%.60s/%.300s", path, e->d_name);
        n++;
        if (remove_files && unlink(name) != 0)
            (void) rmdir(name);
    }
    closedir(dir);
    return n;
}

static void remove_folder(void)
{
    (void) empty_folder(folder, true);
    (void) rmdir(folder);
}

// Weight w is three floats in a file.
static fixture external_model(const char *location, const char *offset, const char *length)
{
    fixture f = fx_begin(13);
    fx_node(&f, "Add", "x,w", "y");
    Onnx__TensorProto *t = fx_tensor(&f, "w", 1, three);
    FX_PUSH(&f, f.graph, initializer, t);
    if (location)
        fx_external(&f, t, "location", location);
    if (offset)
        fx_external(&f, t, "offset", offset);
    if (length)
        fx_external(&f, t, "length", length);
    fx_external(&f, t, "checksum", "whatever");
    return f;
}

START_TEST(test_external_data)
{
    make_folder();
    const float data[] = { 0, 1, 2, 3 };
    fixture f = external_model("w.bin", "4", "12");
    write_file(in_folder(&f, "w.bin"), data, sizeof(data));
    size_t n;
    const uint8_t *p = fx_pack(&f, &n);
    write_file(in_folder(&f, "m.onnx"), p, n);
    ppq_graph *g;
    ck_assert_int_eq(ppq_parse_file(in_folder(&f, "m.onnx"), &g, f.d), PPQ_OK);
    ck_assert(g->had_external_data);
    ck_assert_int_eq(memcmp(ppq_f32(&ppq_graph_find_var(g, "w")->value), data + 1, 12), 0);

    // Written inline by default, beside the model on request.
    const ppq_onnx_write_opts pair = { .external = true, .external_min = 1 };
    ck_assert_int_eq(ppq_onnx_write_file(g, in_folder(&f, "pair.onnx"), &pair, f.d), PPQ_OK);
    ck_assert_int_eq(access(in_folder(&f, "pair.onnx.data"), R_OK), 0);
    ppq_graph *again;
    ck_assert_int_eq(ppq_parse_file(in_folder(&f, "pair.onnx"), &again, f.d), PPQ_OK);
    ck_assert(again->had_external_data);
    ck_assert(ppq_tensor_equal(&ppq_graph_find_var(g, "w")->value,
                               &ppq_graph_find_var(again, "w")->value));
    ppq_graph_destroy(again);
    ppq_graph_destroy(g);

    // A link inside the folder is fine, one that leaves it is not.
    ck_assert_int_eq(symlink("w.bin", in_folder(&f, "inside")), 0);
    ck_assert_int_eq(symlink("/etc/passwd", in_folder(&f, "outside")), 0);
    fx_end(&f);
    f = external_model("inside", "4", NULL);
    p = fx_pack(&f, &n);
    ppq_graph_destroy(fx_parse_bytes(&f, p, n, folder));
    fx_end(&f);
    remove_folder();
}
END_TEST

START_TEST(test_external_data_refused)
{
    static const struct {
        const char *location, *offset, *length;
        ppq_status code;
        const char *words;
    } t[] = {
        { "missing.bin", NULL, NULL, PPQ_ERR_IO, "'w',missing.bin,No such file" },
        { "../w.bin", NULL, NULL, PPQ_ERR_MODEL, "'w',leaves the model" },
        { "sub/../../w.bin", NULL, NULL, PPQ_ERR_MODEL, "'w',leaves the model" },
        { "..", NULL, NULL, PPQ_ERR_MODEL, "'w',leaves the model" },
        { "/etc/passwd", NULL, NULL, PPQ_ERR_MODEL, "'w',absolute" },
        { "outside", NULL, NULL, PPQ_ERR_MODEL, "'w',is a link that leaves" },
        { ".", NULL, NULL, PPQ_ERR_MODEL, "'w'" },
        { "dir", NULL, NULL, PPQ_ERR_IO, "is a folder" },
        { "", NULL, NULL, PPQ_ERR_MODEL, "'w',location" },
        { NULL, NULL, NULL, PPQ_ERR_MODEL, "'w',location" },
        { "w.bin", "5", "12", PPQ_ERR_MODEL, "'w',bytes 5 to 17,has 16" },
        { "w.bin", "18446744073709551615", NULL, PPQ_ERR_MODEL, "'w',offset" },
        { "w.bin", "922337203685477580", NULL, PPQ_ERR_MODEL, "'w',has 16" },
        { "w.bin", "-1", NULL, PPQ_ERR_MODEL, "offset '-1'" },
        { "w.bin", "1x", NULL, PPQ_ERR_MODEL, "offset '1x'" },
        { "w.bin", "", NULL, PPQ_ERR_MODEL, "offset ''" },
        { "w.bin", "0", "16", PPQ_ERR_MODEL, "'w',length is 16,need 12" },
        { "w.bin", "0", "8", PPQ_ERR_MODEL, "'w',length is 8,need 12" },
    };
    make_folder();
    fixture f = fx_begin(13);
    write_file(in_folder(&f, "w.bin"), "0123456789abcdef", 16);
    ck_assert_int_eq(symlink("/etc/passwd", in_folder(&f, "outside")), 0);
    ck_assert_int_eq(mkdir(in_folder(&f, "dir"), 0700), 0);
    fx_end(&f);
    for (size_t i = 0; i < PPQ_COUNT(t); i++) {
        f = external_model(t[i].location, t[i].offset, t[i].length);
        size_t n;
        const uint8_t *p = fx_pack(&f, &n);
        fx_refused_bytes(&f, p, n, folder, t[i].code, t[i].words);
        fx_end(&f);
    }
    f = external_model("w.bin", NULL, NULL);
    fx_refused(&f, PPQ_ERR_MODEL, "'w',does not come from a folder");
    remove_folder();
}
END_TEST

// ---- what is refused ---------------------------------------------------------------------------

START_TEST(test_files_refused)
{
    make_folder();
    fixture f = fx_begin(13);
    finish(&f);
    size_t n;
    const uint8_t *p = fx_pack(&f, &n);
    write_file(in_folder(&f, "empty"), "", 0);
    write_file(in_folder(&f, "text"), "Dear reader,\nthis is no model.\n", 31);
    write_file(in_folder(&f, "cut"), p, n - 1);
    ck_assert_int_eq(mkfifo(in_folder(&f, "pipe"), 0600), 0);
    static const struct {
        const char *name, *words;
    } t[] = {
        { "none", "No such file" }, { ".", "is a folder" },      { "empty", "is empty" },
        { "text", "not a valid" },  { "cut", "file cut short" }, { "pipe", "not a regular file" },
    };
    for (size_t i = 0; i < PPQ_COUNT(t); i++) {
        ppq_diag *d = ppq_diag_create(NULL, NULL);
        ppq_graph *g = NULL;
        ck_assert_int_ne(ppq_parse_file(in_folder(&f, t[i].name), &g, d), PPQ_OK);
        ck_assert_uint_eq(ppq_diag_count(d, PPQ_SEV_NOTE), 1);
        ck_assert_msg(strstr(fx_first_error(d), t[i].words) != NULL, "%s", fx_first_error(d));
        ck_assert_msg(strstr(fx_first_error(d), folder) != NULL, "%s", fx_first_error(d));
        ppq_diag_destroy(d);
    }
    fx_end(&f);
    remove_folder();
}
END_TEST

typedef void (*breaker)(fixture *f);

static void no_graph(fixture *f)
{
    f->model->graph = NULL;
}
static void no_ir(fixture *f)
{
    f->model->has_ir_version = false;
}
static void no_opset(fixture *f)
{
    f->model->n_opset_import = 0;
}
static void old_opset(fixture *f)
{
    f->model->opset_import[0]->version = 6;
}
static void two_opsets(fixture *f)
{
    fx_opset(f, "ai.onnx", 12);
}
static void negative_opset(fixture *f)
{
    fx_opset(f, "other", -4);
}
static void twice_initializer(fixture *f)
{
    fx_init(f, "w", 1, one, 4, NULL);
    fx_init(f, "w", 1, one, 4, NULL);
}
static void twice_output(fixture *f)
{
    fx_node(f, "Relu", "x", "y");
}
static void twice_input(fixture *f)
{
    FX_PUSH(f, f->graph, input, fx_value(f, "x", 1, NULL));
}
static void writes_input(fixture *f)
{
    fx_node(f, "Relu", "y", "x");
}
static void writes_constant(fixture *f)
{
    fx_init(f, "w", 1, one, 4, NULL);
    fx_node(f, "Relu", "x", "w");
}
static void output_twice(fixture *f)
{
    FX_PUSH(f, f->graph, output, fx_value(f, "y", 1, NULL));
}
static void unknown_output(fixture *f)
{
    FX_PUSH(f, f->graph, output, fx_value(f, "q", 1, NULL));
}
static void unnamed_initializer(fixture *f)
{
    fx_init(f, "", 1, one, 4, NULL);
}
static void undefined_input(fixture *f)
{
    fx_node(f, "Add", "x,ghost", "z");
}
static void undefined_capture(fixture *f)
{
    fx_node_in(f, fx_graph(f, fx_node(f, "If", "x", "z"), "g"), "Neg", "ghost", "q");
}
static void cycle(fixture *f)
{
    fx_node(f, "Add", "x,b", "a")->name = fx_str(f, "loop");
    fx_node(f, "Neg", "a", "b");
}
static void short_raw(fixture *f)
{
    fx_init(f, "w", 1, three, 11, NULL);
}
static void long_raw(fixture *f)
{
    fx_init(f, "w", 1, three, 16, NULL);
}
static void negative_dim(fixture *f)
{
    fx_init(f, "w", 1, one, 4, NULL)->dims[0] = -3;
}
static void huge_dims(fixture *f)
{
    fx_init(f, "w", 1, (const int64_t[]){ INT64_MAX, INT64_MAX, -1 }, 4, NULL);
}
static void many_dims(fixture *f)
{
    fx_init(f, "w", 1, (const int64_t[]){ 1, 1, 1, 1, 1, 1, 1, 1, 1, -1 }, 4, NULL);
}
static void unknown_type(fixture *f)
{
    fx_init(f, "w", 99, one, 4, NULL);
}
static void no_type(fixture *f)
{
    fx_init(f, "w", 0, one, 4, NULL);
}
static void no_data(fixture *f)
{
    FX_PUSH(f, f->graph, initializer, fx_tensor(f, "w", 1, three));
}
static void two_sources(fixture *f)
{
    Onnx__TensorProto *t = fx_init(f, "w", 1, one, 4, NULL);
    t->n_float_data = 1;
    t->float_data = ppq_new(f->a, float);
}
static void wrong_count(fixture *f)
{
    Onnx__TensorProto *t = fx_tensor(f, "w", 1, three);
    t->n_float_data = 2;
    t->float_data = ppq_new_n(f->a, float, 2);
    FX_PUSH(f, f->graph, initializer, t);
}
static void segment(fixture *f)
{
    FX_NEW(f, s, TensorProto__Segment, tensor_proto__segment);
    fx_init(f, "w", 1, one, 4, NULL)->segment = s;
}
static void input_rank(fixture *f)
{
    FX_PUSH(f, f->graph, input,
            fx_value(f, "big", 1, (const int64_t[]){ 1, 1, 1, 1, 1, 1, 1, 1, 1, -1 }));
}
static void input_dim(fixture *f)
{
    FX_PUSH(f, f->graph, input, fx_value(f, "bad", 1, (const int64_t[]){ -5, -1 }));
}
static void no_op_type(fixture *f)
{
    fx_node(f, "Relu", "x", "z")->op_type = NULL;
}
static void attr_no_name(fixture *f)
{
    fx_attr(f, fx_node(f, "Relu", "x", "z"), "", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
}
static void attr_twice(fixture *f)
{
    Onnx__NodeProto *n = fx_node(f, "Relu", "x", "z");
    fx_int(f, n, "alpha", 1);
    fx_int(f, n, "alpha", 1);
}
static void attr_no_value(fixture *f)
{
    fx_attr(f, fx_node(f, "Relu", "x", "z"), "alpha",
            ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED);
}
static void attr_ref(fixture *f)
{
    Onnx__NodeProto *n = fx_node(f, "Relu", "x", "z");
    fx_int(f, n, "alpha", 1);
    n->attribute[0]->ref_attr_name = fx_str(f, "beta");
}
static void attr_no_tensor(fixture *f)
{
    fx_attr(f, fx_node(f, "Relu", "x", "z"), "alpha",
            ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);
}
static void constant_odd(fixture *f)
{
    fx_int(f, fx_node(f, "Constant", "", "c"), "valve", 1);
}
static void many_graphs(fixture *f)
{
    Onnx__NodeProto *n = fx_node(f, "If", "x", "z");
    for (int i = 0; i < 65; i++)
        fx_graph(f, n, ppq_arena_printf(f->a, "g%d", i));
}
static void many_attrs(fixture *f)
{
    Onnx__NodeProto *n = fx_node(f, "Relu", "x", "z");
    for (int i = 0; i < 1025; i++)
        fx_int(f, n, ppq_arena_printf(f->a, "a%d", i), 1);
}
static void many_domains(fixture *f)
{
    for (int i = 0; i < 256; i++)
        fx_opset(f, ppq_arena_printf(f->a, "d%d", i), 1);
}
static void constant_empty(fixture *f)
{
    fx_node(f, "Constant", "", "c");
}

START_TEST(test_models_refused)
{
    static const struct {
        breaker breaks;
        ppq_status code;
        const char *words;
    } t[] = {
        { no_graph, PPQ_ERR_MODEL, "no graph" },
        { no_ir, PPQ_ERR_MODEL, "no ir_version" },
        { no_opset, PPQ_ERR_MODEL, "opset,ai.onnx" },
        { old_opset, PPQ_ERR_UNSUPPORTED, "opset 6,7 to 28" },
        { two_opsets, PPQ_ERR_MODEL, "13 and 12" },
        { negative_opset, PPQ_ERR_MODEL, "'other',-4" },
        { twice_initializer, PPQ_ERR_MODEL, "'w',defined twice" },
        { twice_output, PPQ_ERR_MODEL, "'y',defined twice" },
        { twice_input, PPQ_ERR_MODEL, "'x',defined twice" },
        { writes_input, PPQ_ERR_MODEL, "'x',defined twice" },
        { writes_constant, PPQ_ERR_MODEL, "'w',defined twice" },
        { output_twice, PPQ_ERR_MODEL, "'y',listed twice" },
        { unknown_output, PPQ_ERR_MODEL, "'q',nothing produces" },
        { unnamed_initializer, PPQ_ERR_MODEL, "initializer 0,no name" },
        { undefined_input, PPQ_ERR_MODEL, "'generated_name_1','ghost'" },
        { undefined_capture, PPQ_ERR_MODEL, "'generated_name_1',subgraphs read,'ghost'" },
        { cycle, PPQ_ERR_MODEL, "cycle,'loop'" },
        { short_raw, PPQ_ERR_MODEL, "'w',11 bytes,need 12" },
        { long_raw, PPQ_ERR_MODEL, "'w',16 bytes,need 12" },
        { negative_dim, PPQ_ERR_MODEL, "'w',dimension 0 is -3" },
        { huge_dims, PPQ_ERR_NOMEM, "'w',too many elements" },
        { many_dims, PPQ_ERR_UNSUPPORTED, "'w',9 dimensions,at most 8" },
        { unknown_type, PPQ_ERR_UNSUPPORTED, "'w',99" },
        { no_type, PPQ_ERR_MODEL, "'w',data type is 0" },
        { no_data, PPQ_ERR_MODEL, "'w',0 entries of float_data,need 3" },
        { two_sources, PPQ_ERR_MODEL, "'w',2 places" },
        { wrong_count, PPQ_ERR_MODEL, "'w',2 entries of float_data,need 3" },
        { segment, PPQ_ERR_UNSUPPORTED, "'w',segments" },
        { input_rank, PPQ_ERR_UNSUPPORTED, "'big',9 declared dimensions,at most 8" },
        { input_dim, PPQ_ERR_MODEL, "'bad',-5" },
        { no_op_type, PPQ_ERR_MODEL, "'generated_name_1',op_type" },
        { attr_no_name, PPQ_ERR_MODEL, "attribute 0,no name" },
        { attr_twice, PPQ_ERR_MODEL, "'alpha',twice" },
        { attr_no_value, PPQ_ERR_MODEL, "'alpha',neither" },
        { attr_ref, PPQ_ERR_MODEL, "'alpha','beta',function" },
        { attr_no_tensor, PPQ_ERR_MODEL, "'alpha',no tensor" },
        { many_graphs, PPQ_ERR_UNSUPPORTED, "65 subgraphs,at most 64" },
        { many_attrs, PPQ_ERR_UNSUPPORTED, "1025 attributes,at most 1024" },
        { many_domains, PPQ_ERR_UNSUPPORTED, "more than 256 domains" },
        { constant_odd, PPQ_ERR_MODEL, "'valve'" },
        { constant_empty, PPQ_ERR_MODEL, "0 attributes" },
    };
    for (size_t i = 0; i < PPQ_COUNT(t); i++) {
        fixture f = fx_begin(13);
        finish(&f);
        t[i].breaks(&f);
        fx_refused(&f, t[i].code, t[i].words);
    }
}
END_TEST

START_TEST(test_newer_is_warned_about)
{
    fixture f = fx_begin(PPQ_OPSET_NEWEST + 1);
    f.model->ir_version = PPQ_IR_NEWEST + 1;
    finish(&f);
    ppq_graph_destroy(fx_parse(&f));
    ck_assert_uint_eq(ppq_diag_count(f.d, PPQ_SEV_WARN), 2);
    fx_end(&f);
}
END_TEST

// Wraps `n` bytes that end at *at into field `tag`, growing downwards.
static void wrap(uint8_t *b, size_t *at, size_t end, uint8_t tag)
{
    uint8_t v[10];
    size_t k = 0, n = end - *at;
    for (; n >= 0x80; n >>= 7)
        v[k++] = (uint8_t) (n | 0x80);
    v[k++] = (uint8_t) n;
    *at -= k;
    memcpy(b + *at, v, k);
    b[--*at] = tag;
}

START_TEST(test_nesting_is_bounded)
{
    // graph.input.type.sequence_type.elem_type.sequence_type...
    enum { DEPTH = 5000, SIZE = DEPTH * 12 };
    static uint8_t b[SIZE];
    size_t at = SIZE;
    for (int i = 0; i < DEPTH; i++) {
        wrap(b, &at, SIZE, 1 << 3 | 2);
        wrap(b, &at, SIZE, 4 << 3 | 2);
    }
    wrap(b, &at, SIZE, 2 << 3 | 2);
    wrap(b, &at, SIZE, 11 << 3 | 2);
    wrap(b, &at, SIZE, 7 << 3 | 2);
    fixture f = fx_begin(13);
    fx_refused_bytes(&f, b + at, SIZE - at, NULL, PPQ_ERR_MODEL, "nested deeper than 64");
    fx_end(&f);

    // graph.node.attribute.g.node...
    at = SIZE;
    for (int i = 0; i < 3000; i++) {
        wrap(b, &at, SIZE, 6 << 3 | 2);
        wrap(b, &at, SIZE, 5 << 3 | 2);
        wrap(b, &at, SIZE, 1 << 3 | 2);
    }
    wrap(b, &at, SIZE, 7 << 3 | 2);
    f = fx_begin(13);
    fx_refused_bytes(&f, b + at, SIZE - at, NULL, PPQ_ERR_MODEL, "nested deeper than 64");
    fx_end(&f);
}
END_TEST

START_TEST(test_repeated_graph_is_refused)
{
    static const uint8_t b[] = { 0x08, 0x08, 0x3a, 0x02, 0x12, 0x00, 0x3a, 0x02, 0x12, 0x00 };
    fixture f = fx_begin(13);
    fx_refused_bytes(&f, b, sizeof(b), NULL, PPQ_ERR_MODEL, "byte 6,second message,graph");
    fx_end(&f);
}
END_TEST

START_TEST(test_wire_errors_are_located)
{
    static const struct {
        uint8_t b[12];
        size_t n;
        const char *words;
    } t[] = {
        { { 0x3a, 0x7f }, 2, "byte 0,127 bytes where 0 are left,graph" },
        { { 0x08, 0x08, 0x3a, 0x02, 0x12, 0x05 }, 6, "byte 4,graph.name" },
        { { 0x0b }, 1, "wire type 3" },
        { { 0x08 }, 1, "byte 0,ir_version" },
        { { 0x0d, 1, 2, 3, 4 }, 5, "wire type 5 instead of 0,ir_version" },
        { { 0x00, 0x00 }, 2, "no field tag" },
        { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
          11,
          "no field tag" },
        { { 0x12, 0x03, 'a', 0, 'b' }, 5, "NUL,producer_name" },
        { { 0x3a, 0x06, 0x2a, 0x04, 0x22, 0x02, 1, 2 }, 8, "packed,initializer.float_data" },
        { { 0x3a, 0x05, 0x2a, 0x03, 0x3a, 0x01, 0x80 }, 7, "packed,initializer.int64_data" },
        { { 0x12, 0x84, 0x80, 0x80, 0x80, 0x08 }, 6, "producer_name" },
    };
    for (size_t i = 0; i < PPQ_COUNT(t); i++) {
        fixture f = fx_begin(13);
        fx_refused_bytes(&f, t[i].b, t[i].n, NULL, PPQ_ERR_MODEL, t[i].words);
        fx_end(&f);
    }
}
END_TEST

// ---- damaged files -----------------------------------------------------------------------------

static uint64_t rng_state = 0x9e3779b97f4a7c15u;

static uint32_t rng(uint32_t below)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (rng_state >> 33) % below;
}

// Something of everything.
static uint8_t *seed_model(fixture *f, size_t *n)
{
    fx_node(f, "Conv", "x,w", "a");
    fx_ints(f, f->graph->node[0], "pads", 2, (const int64_t[]){ 1, 1 });
    fx_float(f, fx_node(f, "LeakyRelu", "a", "b"), "alpha", 0.25f);
    fx_string(f, f->graph->node[1], "auto_pad", "SAME_UPPER");
    Onnx__NodeProto *cond = fx_node(f, "If", "c", "y");
    fx_node_in(f, fx_graph(f, cond, "then_branch"), "Neg", "b", "t");
    fx_int(f, fx_node(f, "Constant", "", "k"), "value_int", 7);
    fx_init(f, "w", 1, three, 12, (const float[]){ 1, 2, 3 });
    fx_init(f, "c", PPQ_DT_BOOL, scalar, 1, "\1");
    FX_PUSH(f, f->graph, value_info, fx_value(f, "b", 1, (const int64_t[]){ 2, 3, -1 }));
    FX_PUSH(f, f->graph, sparse_initializer,
            sparse(f, "sp", two, 1, (const float[]){ 3 }, (const int64_t[]){ 1 }, 1));
    return fx_pack(f, n);
}

// Any bytes at all give a graph or one message.
static void survives(const uint8_t *p, size_t n)
{
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    ppq_graph *g = NULL;
    const ppq_status st = ppq_parse_bytes(p, n, NULL, "damaged.onnx", &g, d);
    ck_assert_uint_eq(ppq_diag_count(d, PPQ_SEV_ERROR), st != PPQ_OK);
    ck_assert((st == PPQ_OK) == (g != NULL));
    if (g) {
        void *bytes;
        size_t size;
        ck_assert_int_eq(ppq_onnx_write_bytes(g, &bytes, &size, d), PPQ_OK);
        ppq_graph *again = NULL;
        ck_assert_msg(ppq_parse_bytes(bytes, size, NULL, "written.onnx", &again, d) == PPQ_OK, "%s",
                      fx_first_error(d));
        ppq_graph_destroy(again);
        free(bytes);
    }
    ppq_graph_destroy(g);
    ppq_diag_destroy(d);
}

START_TEST(test_truncated)
{
    fixture f = fx_begin(13);
    size_t n;
    const uint8_t *p = seed_model(&f, &n);
    for (size_t k = 0; k <= n; k++) {
        uint8_t *exact = malloc(k ? k : 1);
        memcpy(exact, p, k);
        survives(exact, k);
        free(exact);
    }
    fx_end(&f);
}
END_TEST

START_TEST(test_mutated)
{
    fixture f = fx_begin(13);
    size_t n;
    const uint8_t *p = seed_model(&f, &n);
    uint8_t *m = malloc(n + 8);
    for (int round = 0; round < 6000; round++) {
        size_t k = n;
        memcpy(m, p, n);
        for (uint32_t i = 0, edits = 1 + rng(4); i < edits; i++) {
            const size_t at = rng((uint32_t) k);
            switch (rng(4)) {
            case 0:
                m[at] ^= (uint8_t) (1u << rng(8));
                break;
            case 1:
                m[at] = (uint8_t) rng(256);
                break;
            case 2:
                memmove(m + at, m + at + 1, k - at - 1);
                k--;
                break;
            default:
                if (k < n + 8) {
                    memmove(m + at + 1, m + at, k - at);
                    k++;
                }
            }
        }
        survives(m, k);
    }
    free(m);
    fx_end(&f);
}
END_TEST

// ---- writing files -----------------------------------------------------------------------------

START_TEST(test_write_failures_leave_nothing)
{
    make_folder();
    fixture f = fx_begin(13);
    fx_node(&f, "Add", "x,w", "y");
    fx_init(&f, "w", 1, three, 12, NULL);
    ppq_graph *g = fx_parse(&f);
    const ppq_onnx_write_opts pair = { .external = true, .external_min = 1 };
    const char *const paths[] = { "no/such/folder.onnx", "dir" };
    ck_assert_int_eq(mkdir(in_folder(&f, "dir"), 0700), 0);
    for (size_t i = 0; i < PPQ_COUNT(paths); i++) {
        ppq_diag *d = ppq_diag_create(NULL, NULL);
        ck_assert_int_eq(ppq_onnx_write_file(g, in_folder(&f, paths[i]), &pair, d), PPQ_ERR_IO);
        ck_assert_uint_eq(ppq_diag_count(d, PPQ_SEV_NOTE), 1);
        ppq_diag_destroy(d);
    }
    ck_assert_uint_eq(empty_folder(folder, false), 1);
    ppq_graph_destroy(g);
    fx_end(&f);
    remove_folder();
}
END_TEST

// A limit on the size of files stands in for a full disk.
START_TEST(test_disk_full)
{
    make_folder();
    fixture f = fx_begin(13);
    fx_node(&f, "Add", "x,w", "y");
    fx_init(&f, "w", 1, (const int64_t[]){ 1 << 18, -1 }, 1 << 20, NULL);
    ppq_graph *g = fx_parse(&f);
    struct rlimit before;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (int external = 0; external < 2; external++) {
        ppq_diag *d = ppq_diag_create(NULL, NULL);
        const struct rlimit small = { 4096, before.rlim_max };
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        const ppq_status st = ppq_onnx_write_file(
            g, in_folder(&f, "m.onnx"), &(ppq_onnx_write_opts){ .external = external }, d);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        ck_assert_int_eq(st, PPQ_ERR_IO);
        ck_assert_uint_eq(ppq_diag_count(d, PPQ_SEV_NOTE), 1);
        ck_assert_uint_eq(empty_folder(folder, false), 0);
        ppq_diag_destroy(d);
    }
    (void) signal(SIGXFSZ, handler);
    ppq_graph_destroy(g);
    fx_end(&f);
    remove_folder();
}
END_TEST

START_TEST(test_ir_version_is_raised)
{
    fixture f = fx_begin(13);
    f.model->ir_version = 3;
    finish(&f);
    fx_init(&f, "w", PPQ_DT_I4, one, 1, NULL);
    ppq_graph *g = fx_parse(&f);
    void *bytes;
    size_t n;
    ck_assert_int_eq(ppq_onnx_write_bytes(g, &bytes, &n, f.d), PPQ_OK);
    ppq_graph *again = fx_parse_bytes(&f, bytes, n, NULL);
    ck_assert_int_eq(again->ir_version, 10);
    ppq_graph_destroy(again);
    free(bytes);
    ppq_graph_destroy(g);
    fx_end(&f);
}
END_TEST

// ---- real models -------------------------------------------------------------------------------

#ifndef PPQ_SOURCE_ROOT
#define PPQ_SOURCE_ROOT "."
#endif

// Parse, write, parse: the same graph, and the same bytes from then on.
static void round_trip(const char *path)
{
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    ppq_graph *g = NULL, *again = NULL;
    ck_assert_msg(ppq_parse_file(path, &g, d) == PPQ_OK, "%s", fx_first_error(d));
    void *first, *second;
    size_t n_first, n_second;
    ck_assert_int_eq(ppq_onnx_write_bytes(g, &first, &n_first, d), PPQ_OK);
    ck_assert_int_eq(ppq_parse_bytes(first, n_first, NULL, path, &again, d), PPQ_OK);
    ck_assert_int_eq(ppq_onnx_write_bytes(again, &second, &n_second, d), PPQ_OK);
    ck_assert_uint_eq(n_first, n_second);
    ck_assert_int_eq(memcmp(first, second, n_first), 0);
    ck_assert_uint_eq(g->n_ops, again->n_ops);
    for (size_t i = 0; i < g->n_vars; i++) {
        const ppq_var *v = ppq_graph_find_var(again, g->vars[i]->name);
        ck_assert_ptr_nonnull(v);
        ck_assert_int_eq(v->dtype, g->vars[i]->dtype);
        ck_assert(ppq_tensor_equal(&v->value, &g->vars[i]->value));
    }
    free(first);
    free(second);
    ppq_graph_destroy(again);
    ppq_graph_destroy(g);
    ppq_diag_destroy(d);
}

static size_t round_trip_folder(const char *path)
{
    size_t n = 0;
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char model[700];
        snprintf(model, sizeof(model), "%.400s/%.200s/model.onnx", path, e->d_name);
        if (e->d_name[0] == '.' || access(model, R_OK) != 0)
            continue;
        round_trip(model);
        n++;
    }
    if (dir)
        closedir(dir);
    return n;
}

START_TEST(test_zoo)
{
    size_t n = round_trip_folder(PPQ_SOURCE_ROOT "/../shared/zoo");
    n += round_trip_folder(PPQ_SOURCE_ROOT "/../shared/zoo/odd");
    if (!n)
        puts("skipped: no shared data");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parser");
    TCase *c = tcase_create("parser");
    suite_add_tcase(s, c);
    tcase_set_timeout(c, 300);
    tcase_add_test(c, test_structure);
    tcase_add_test(c, test_unsorted_and_equal_names);
    tcase_add_test(c, test_inputs_that_are_constants);
    tcase_add_test(c, test_symbols);
    tcase_add_test(c, test_data_types);
    tcase_add_test(c, test_strings);
    tcase_add_test(c, test_sparse);
    tcase_add_test(c, test_constant_nodes);
    tcase_add_test(c, test_nested);
    tcase_add_test(c, test_everything_survives);
    tcase_add_test(c, test_external_data);
    tcase_add_test(c, test_external_data_refused);
    tcase_add_test(c, test_files_refused);
    tcase_add_test(c, test_models_refused);
    tcase_add_test(c, test_newer_is_warned_about);
    tcase_add_test(c, test_nesting_is_bounded);
    tcase_add_test(c, test_repeated_graph_is_refused);
    tcase_add_test(c, test_wire_errors_are_located);
    tcase_add_test(c, test_truncated);
    tcase_add_test(c, test_mutated);
    tcase_add_test(c, test_write_failures_leave_nothing);
    tcase_add_test(c, test_disk_full);
    tcase_add_test(c, test_ir_version_is_raised);
    tcase_add_test(c, test_zoo);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
