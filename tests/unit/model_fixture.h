#ifndef PPQ_TESTS_UNIT_MODEL_FIXTURE_H
#define PPQ_TESTS_UNIT_MODEL_FIXTURE_H

// Small ONNX models made message by message, for tests of the parser and the writer. Everything
// lives in one arena. Header only; every test program uses a part of it.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/diag.h"
#include "core/graph.h"
#include "parser/load.h"
#include "parser/onnx.pb-c.h"

#if defined(__GNUC__)
#define FIXTURE static __attribute__((unused))
#else
#define FIXTURE static
#endif

typedef struct fixture {
    ppq_arena *a;
    ppq_diag *d;
    Onnx__ModelProto *model;
    Onnx__GraphProto *graph;
} fixture;

FIXTURE void *fx_append(fixture *f, void *array, size_t *n, const void *item)
{
    void **more = ppq_new_n(f->a, void *, *n + 1);
    if (*n)
        memcpy(more, array, *n * sizeof(*more));
    memcpy(&more[(*n)++], &item, sizeof(item));
    return more;
}

#define FX_NEW(f, var, Type, init)                     \
    Onnx__##Type *var = ppq_new((f)->a, Onnx__##Type); \
    onnx__##init##__init(var)
#define FX_PUSH(f, owner, field, item) \
    ((owner)->field = fx_append((f), (owner)->field, &(owner)->n_##field, (item)))

FIXTURE char *fx_str(fixture *f, const char *s)
{
    return ppq_arena_printf(f->a, "%s", s);
}

// "a,b,,c" -> names; "" is no name at all.
FIXTURE char **fx_names(fixture *f, const char *list, size_t *n)
{
    char **names = NULL;
    *n = 0;
    for (const char *at = list; at && *list;) {
        const char *comma = strchr(at, ',');
        const int len = comma ? (int) (comma - at) : (int) strlen(at);
        names = fx_append(f, names, n, ppq_arena_printf(f->a, "%.*s", len, at));
        at = comma ? comma + 1 : NULL;
    }
    return names;
}

// dims: -1 terminated; NULL: no shape.
FIXTURE Onnx__ValueInfoProto *fx_value(fixture *f, const char *name, int32_t type,
                                       const int64_t *dims)
{
    FX_NEW(f, v, ValueInfoProto, value_info_proto);
    FX_NEW(f, t, TypeProto, type_proto);
    FX_NEW(f, tensor, TypeProto__Tensor, type_proto__tensor);
    v->name = fx_str(f, name);
    v->type = t;
    t->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    t->tensor_type = tensor;
    tensor->has_elem_type = true;
    tensor->elem_type = type;
    if (dims) {
        FX_NEW(f, shape, TensorShapeProto, tensor_shape_proto);
        tensor->shape = shape;
        for (; *dims != -1; dims++) {
            FX_NEW(f, dim, TensorShapeProto__Dimension, tensor_shape_proto__dimension);
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = *dims;
            FX_PUSH(f, shape, dim, dim);
        }
    }
    return v;
}

FIXTURE Onnx__NodeProto *fx_node_in(fixture *f, Onnx__GraphProto *g, const char *type,
                                    const char *in, const char *out)
{
    FX_NEW(f, n, NodeProto, node_proto);
    n->op_type = fx_str(f, type);
    n->input = fx_names(f, in, &n->n_input);
    n->output = fx_names(f, out, &n->n_output);
    FX_PUSH(f, g, node, n);
    return n;
}

FIXTURE Onnx__NodeProto *fx_node(fixture *f, const char *type, const char *in, const char *out)
{
    return fx_node_in(f, f->graph, type, in, out);
}

FIXTURE Onnx__AttributeProto *fx_attr(fixture *f, Onnx__NodeProto *n, const char *name, int type)
{
    FX_NEW(f, a, AttributeProto, attribute_proto);
    a->name = fx_str(f, name);
    a->has_type = true;
    a->type = (Onnx__AttributeProto__AttributeType) type;
    FX_PUSH(f, n, attribute, a);
    return a;
}

FIXTURE void fx_int(fixture *f, Onnx__NodeProto *n, const char *name, int64_t v)
{
    Onnx__AttributeProto *a = fx_attr(f, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    a->has_i = true;
    a->i = v;
}

FIXTURE void fx_float(fixture *f, Onnx__NodeProto *n, const char *name, float v)
{
    Onnx__AttributeProto *a = fx_attr(f, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    a->has_f = true;
    a->f = v;
}

FIXTURE void fx_ints(fixture *f, Onnx__NodeProto *n, const char *name, size_t count,
                     const int64_t *v)
{
    Onnx__AttributeProto *a = fx_attr(f, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    a->n_ints = count;
    a->ints = ppq_new_n(f->a, int64_t, count + 1);
    memcpy(a->ints, v, count * sizeof(*v));
}

FIXTURE void fx_floats(fixture *f, Onnx__NodeProto *n, const char *name, size_t count,
                       const float *v)
{
    Onnx__AttributeProto *a = fx_attr(f, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS);
    a->n_floats = count;
    a->floats = ppq_new_n(f->a, float, count + 1);
    memcpy(a->floats, v, count * sizeof(*v));
}

FIXTURE void fx_string(fixture *f, Onnx__NodeProto *n, const char *name, const char *v)
{
    Onnx__AttributeProto *a = fx_attr(f, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    a->has_s = true;
    a->s = (ProtobufCBinaryData){ strlen(v), (uint8_t *) fx_str(f, v) };
}

FIXTURE Onnx__GraphProto *fx_graph(fixture *f, Onnx__NodeProto *n, const char *name)
{
    FX_NEW(f, g, GraphProto, graph_proto);
    g->name = fx_str(f, name);
    fx_attr(f, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH)->g = g;
    return g;
}

// A tensor of `dims` (-1 terminated) without data.
FIXTURE Onnx__TensorProto *fx_tensor(fixture *f, const char *name, int32_t type,
                                     const int64_t *dims)
{
    FX_NEW(f, t, TensorProto, tensor_proto);
    t->name = fx_str(f, name);
    t->has_data_type = true;
    t->data_type = type;
    for (; *dims != -1; dims++)
        t->n_dims++;
    t->dims = ppq_new_n(f->a, int64_t, t->n_dims + 1);
    if (t->n_dims)
        memcpy(t->dims, dims - t->n_dims, t->n_dims * sizeof(*dims));
    return t;
}

FIXTURE void fx_raw(fixture *f, Onnx__TensorProto *t, size_t n, const void *data)
{
    t->has_raw_data = true;
    t->raw_data = (ProtobufCBinaryData){ n, ppq_new_n(f->a, uint8_t, n + 1) };
    if (data)
        memcpy(t->raw_data.data, data, n);
}

FIXTURE Onnx__TensorProto *fx_init(fixture *f, const char *name, int32_t type, const int64_t *dims,
                                   size_t n, const void *data)
{
    Onnx__TensorProto *t = fx_tensor(f, name, type, dims);
    fx_raw(f, t, n, data);
    FX_PUSH(f, f->graph, initializer, t);
    return t;
}

FIXTURE void fx_external(fixture *f, Onnx__TensorProto *t, const char *key, const char *value)
{
    FX_NEW(f, e, StringStringEntryProto, string_string_entry_proto);
    e->key = fx_str(f, key);
    e->value = fx_str(f, value);
    FX_PUSH(f, t, external_data, e);
    t->has_data_location = true;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

FIXTURE void fx_opset(fixture *f, const char *domain, int64_t version)
{
    FX_NEW(f, o, OperatorSetIdProto, operator_set_id_proto);
    o->domain = fx_str(f, domain);
    o->has_version = true;
    o->version = version;
    FX_PUSH(f, f->model, opset_import, o);
}

// A model of graph input x (float 2x3), graph output y (float, no shape) and no nodes.
FIXTURE fixture fx_begin(int64_t opset)
{
    fixture f = { .a = ppq_arena_create("fixture"), .d = ppq_diag_create(NULL, NULL) };
    FX_NEW(&f, m, ModelProto, model_proto);
    FX_NEW(&f, g, GraphProto, graph_proto);
    f.model = m;
    f.graph = g;
    m->has_ir_version = true;
    m->ir_version = 8;
    m->graph = g;
    g->name = fx_str(&f, "g");
    if (opset)
        fx_opset(&f, "", opset);
    FX_PUSH(&f, g, input, fx_value(&f, "x", 1, (const int64_t[]){ 2, 3, -1 }));
    FX_PUSH(&f, g, output, fx_value(&f, "y", 1, NULL));
    return f;
}

FIXTURE void fx_end(fixture *f)
{
    ppq_diag_destroy(f->d);
    ppq_arena_destroy(f->a);
}

FIXTURE uint8_t *fx_pack(fixture *f, size_t *n)
{
    *n = onnx__model_proto__get_packed_size(f->model);
    uint8_t *p = ppq_new_n(f->a, uint8_t, *n + 1);
    onnx__model_proto__pack(f->model, p);
    return p;
}

FIXTURE const char *fx_first_error(const ppq_diag *d)
{
    for (size_t i = 0; i < ppq_diag_count(d, PPQ_SEV_NOTE); i++)
        if (ppq_diag_at(d, i)->severity == PPQ_SEV_ERROR)
            return ppq_diag_at(d, i)->msg;
    return "";
}

FIXTURE ppq_graph *fx_parse_bytes(fixture *f, const void *bytes, size_t n, const char *dir)
{
    ppq_graph *g = NULL;
    const ppq_status st = ppq_parse_bytes(bytes, n, dir, "test.onnx", &g, f->d);
    ck_assert_msg(st == PPQ_OK, "%s", fx_first_error(f->d));
    return g;
}

FIXTURE ppq_graph *fx_parse(fixture *f)
{
    size_t n;
    const uint8_t *p = fx_pack(f, &n);
    return fx_parse_bytes(f, p, n, NULL);
}

// The model is refused with exactly one message, which contains every one of `words` (separated
// by commas).
FIXTURE void fx_refused_bytes(fixture *f, const void *bytes, size_t n, const char *dir,
                              ppq_status code, const char *words)
{
    ppq_graph *g = NULL;
    const ppq_status st = ppq_parse_bytes(bytes, n, dir, "test.onnx", &g, f->d);
    ck_assert_msg(st == code, "%s instead of %s (%s): %s", ppq_status_name(st),
                  ppq_status_name(code), words, fx_first_error(f->d));
    ck_assert_ptr_null(g);
    ck_assert_msg(ppq_diag_count(f->d, PPQ_SEV_ERROR) == 1, "%zu errors for %s",
                  ppq_diag_count(f->d, PPQ_SEV_ERROR), words);
    size_t n_words;
    char **list = fx_names(f, words, &n_words);
    const char *msg = fx_first_error(f->d);
    for (size_t i = 0; i < n_words; i++)
        ck_assert_msg(strstr(msg, list[i]) != NULL, "'%s' not in: %s", list[i], msg);
    ck_assert_ptr_null(strchr(msg, '\n'));
}

FIXTURE void fx_refused(fixture *f, ppq_status code, const char *words)
{
    size_t n;
    const uint8_t *p = fx_pack(f, &n);
    fx_refused_bytes(f, p, n, NULL, code, words);
    fx_end(f);
}

// Shapes, as fx_init takes them.
FIXTURE const int64_t fx_scalar[] = { -1 }, fx_one[] = { 1, -1 };
FIXTURE const int64_t fx_two[] = { 2, -1 }, fx_three[] = { 3, -1 };

FIXTURE Onnx__SparseTensorProto *fx_sparse(fixture *f, const char *name, const int64_t *dims,
                                           size_t n, const float *values, const int64_t *indices,
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

// y = x, so that the model is whole and the test is about something else.
FIXTURE void fx_finish(fixture *f)
{
    fx_node(f, "Identity", "x", "y");
}

#endif
