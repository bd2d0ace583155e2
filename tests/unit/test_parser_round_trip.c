// Reading and writing models: what is kept.

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exporter/onnx_writer.h"
#include "tests/unit/harness.h"
#include "tests/unit/model_fixture.h"

// ---- what is kept ---------------------------------------------------------------------------

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
    a->t = fx_tensor(&f, "KEEP-tensor-name", 1, fx_one);
    fx_raw(&f, a->t, 4, NULL);
    a = fx_attr(&f, n, "KEEP-type", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO);
    a->tp = fx_value(&f, "", 1, NULL)->type;
    Onnx__GraphProto *sub = fx_graph(&f, n, "KEEP-graph");
    sub->doc_string = fx_str(&f, "KEEP-subgraph-doc");
    Onnx__TensorProto *w = fx_init(&f, "w", 1, fx_one, 4, NULL);
    w->doc_string = fx_str(&f, "KEEP-weight-doc");
    Onnx__ValueInfoProto *x = f.graph->input[0];
    x->doc_string = fx_str(&f, "KEEP-input-doc");
    x->type->denotation = fx_str(&f, "KEEP-denotation");
    x->type->tensor_type->shape->dim[0]->denotation = fx_str(&f, "KEEP-dim-denotation");
    Onnx__ValueInfoProto *vw = fx_value(&f, "w", 1, fx_one);
    vw->doc_string = fx_str(&f, "KEEP-weight-info");
    FX_PUSH(&f, f.graph, value_info, vw);
    FX_PUSH(&f, f.graph, value_info, fx_value(&f, "KEEP-stale-info", 1, fx_one));
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

// ---- real models ----------------------------------------------------------------------------

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
    const test_entry tests[] = {
        { test_everything_survives, 1 },
        { test_zoo, 1 },
    };
    return run_tests("parser_round_trip", tests, PPQ_COUNT(tests));
}
