// Reading models: what is refused, and how it is said.
#define _XOPEN_SOURCE 700

#include "parser/wire.h"
#include "tests/unit/harness.h"
#include "tests/unit/model_files.h"

// ---- what is refused ------------------------------------------------------------------------

START_TEST(test_files_refused)
{
    make_folder();
    fixture f = fx_begin(13);
    fx_finish(&f);
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
    f->model->opset_import[0]->version = 0;
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
    fx_init(f, "w", 1, fx_one, 4, NULL);
    fx_init(f, "w", 1, fx_one, 4, NULL);
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
    fx_init(f, "w", 1, fx_one, 4, NULL);
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
    fx_init(f, "", 1, fx_one, 4, NULL);
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
    fx_init(f, "w", 1, fx_three, 11, NULL);
}
static void long_raw(fixture *f)
{
    fx_init(f, "w", 1, fx_three, 16, NULL);
}
static void negative_dim(fixture *f)
{
    fx_init(f, "w", 1, fx_one, 4, NULL)->dims[0] = -3;
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
    fx_init(f, "w", 99, fx_one, 4, NULL);
}
static void no_type(fixture *f)
{
    fx_init(f, "w", 0, fx_one, 4, NULL);
}
static void no_data(fixture *f)
{
    FX_PUSH(f, f->graph, initializer, fx_tensor(f, "w", 1, fx_three));
}
static void two_sources(fixture *f)
{
    Onnx__TensorProto *t = fx_init(f, "w", 1, fx_one, 4, NULL);
    t->n_float_data = 1;
    t->float_data = ppq_new(f->a, float);
}
static void wrong_count(fixture *f)
{
    Onnx__TensorProto *t = fx_tensor(f, "w", 1, fx_three);
    t->n_float_data = 2;
    t->float_data = ppq_new_n(f->a, float, 2);
    FX_PUSH(f, f->graph, initializer, t);
}
static void segment(fixture *f)
{
    FX_NEW(f, s, TensorProto__Segment, tensor_proto__segment);
    fx_init(f, "w", 1, fx_one, 4, NULL)->segment = s;
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
        { old_opset, PPQ_ERR_MODEL, "is 0,must be 1" },
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
        fx_finish(&f);
        t[i].breaks(&f);
        fx_refused(&f, t[i].code, t[i].words);
    }
}
END_TEST

START_TEST(test_newer_is_warned_about)
{
    fixture f = fx_begin(PPQ_OPSET_NEWEST + 1);
    f.model->ir_version = PPQ_IR_NEWEST + 1;
    fx_finish(&f);
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

int main(void)
{
    const test_entry tests[] = {
        { test_files_refused, 1 },
        { test_models_refused, 1 },
        { test_newer_is_warned_about, 1 },
        { test_nesting_is_bounded, 1 },
        { test_repeated_graph_is_refused, 1 },
        { test_wire_errors_are_located, 1 },
    };
    return run_tests("parser_refusals", tests, PPQ_COUNT(tests));
}
