#include "parser/build.h"

#include <stdio.h>
#include <string.h>

#include "parser/subgraph.h"

ppq_blob ppq_pack_blob(ppq_arena *a, const ProtobufCMessage *m)
{
    const size_t n = protobuf_c_message_get_packed_size(m);
    if (!n)
        return (ppq_blob){ 0 };
    uint8_t *p = ppq_arena_zalloc(a, n, 1, 1);
    protobuf_c_message_pack(m, p);
    return (ppq_blob){ p, n };
}

static ppq_site op_site(const ppq_build *b, const char *name)
{
    return (ppq_site){ .source = b->graph->source, .op = name, .diag = b->diag };
}

static ppq_site var_site(const ppq_build *b, const char *name)
{
    return (ppq_site){ .source = b->graph->source, .var = name, .diag = b->diag };
}

static ppq_site graph_site(const ppq_build *b)
{
    return (ppq_site){ .source = b->graph->source, .diag = b->diag };
}

static bool is_blank(const char *s)
{
    return !s || !s[0];
}

// More than any model has; they bound what is searched one by one.
enum { MAX_SYMBOLS = 16384, MAX_ATTRS = 1024, MAX_SUBGRAPHS = 64 };

// ---- what the graph's own fields do not hold ------------------------------------------------

static Onnx__TensorProto without_data(const Onnx__TensorProto *t)
{
    Onnx__TensorProto e = *t;
    e.n_dims = e.n_float_data = e.n_int32_data = e.n_string_data = e.n_int64_data = 0;
    e.n_double_data = e.n_uint64_data = e.n_external_data = 0;
    e.has_data_type = e.has_raw_data = e.has_data_location = false;
    return e;
}

static ppq_blob tensor_extra(ppq_graph *g, const Onnx__TensorProto *t)
{
    Onnx__TensorProto e = without_data(t);
    e.name = NULL;
    return ppq_pack_blob(g->arena, &e.base);
}

// What a plain attribute's kind and value leave over, or NULL.
static Onnx__AttributeProto *attr_rest(ppq_arena *scratch, const Onnx__AttributeProto *a)
{
    Onnx__TensorProto *t = NULL;
    if (a->t) {
        t = ppq_new(scratch, Onnx__TensorProto);
        *t = without_data(a->t);
    }
    const bool tensor_rest = t && protobuf_c_message_get_packed_size(&t->base);
    if (!a->doc_string && !a->base.n_unknown_fields && !tensor_rest)
        return NULL;
    Onnx__AttributeProto *rest = ppq_new(scratch, Onnx__AttributeProto);
    onnx__attribute_proto__init(rest);
    rest->name = a->name;
    rest->doc_string = a->doc_string;
    rest->t = tensor_rest ? t : NULL;
    rest->base.n_unknown_fields = a->base.n_unknown_fields;
    rest->base.unknown_fields = a->base.unknown_fields;
    return rest;
}

static ppq_blob node_extra(const ppq_build *b, const Onnx__NodeProto *node, const ppq_attr *attrs)
{
    Onnx__NodeProto e = *node;
    e.n_input = e.n_output = e.n_attribute = 0;
    e.name = e.op_type = e.domain = NULL;
    e.attribute = ppq_new_n(b->scratch, Onnx__AttributeProto *, node->n_attribute);
    for (size_t i = 0; i < node->n_attribute; i++) {
        Onnx__AttributeProto *rest =
            attrs[i].kind == PPQ_ATTR_RAW ? NULL : attr_rest(b->scratch, node->attribute[i]);
        if (rest)
            e.attribute[e.n_attribute++] = rest;
    }
    return ppq_pack_blob(b->graph->arena, &e.base);
}

// ---- types ----------------------------------------------------------------------------------

static ppq_status read_dim(const ppq_build *b, const Onnx__TensorShapeProto__Dimension *d,
                           const ppq_site *s, int64_t *out)
{
    *out = PPQ_DIM_UNKNOWN;
    if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM) {
        if (b->graph->n_symbols > MAX_SYMBOLS)
            return ppq_site_fail(s, PPQ_ERR_UNSUPPORTED,
                                 "more than %d different symbolic dimensions are not handled",
                                 MAX_SYMBOLS);
        if (!is_blank(d->dim_param))
            *out = ppq_graph_symbol(b->graph, d->dim_param);
    } else if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE) {
        // Some exporters write -1 for a dimension they do not know.
        if (d->dim_value < -1)
            return ppq_site_fail(s, PPQ_ERR_MODEL, "declared dimension %lld, must be 0 or more",
                                 (long long) d->dim_value);
        *out = d->dim_value;
    }
    return PPQ_OK;
}

static ppq_dtype container_of(const Onnx__TypeProto *type)
{
    if (type && type->value_case == ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE)
        return PPQ_DT_SEQUENCE;
    if (type && type->value_case == ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE)
        return PPQ_DT_OPTIONAL;
    return PPQ_DT_NONE;
}

static ppq_status read_type(const ppq_build *b, const Onnx__TypeProto *type, const ppq_site *s,
                            ppq_dtype *dtype, ppq_shape *shape)
{
    *dtype = container_of(type);
    *shape = (ppq_shape){ .rank = -1 };
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return PPQ_OK;
    const Onnx__TypeProto__Tensor *t = type->tensor_type;
    if (ppq_dtype_valid(t->elem_type))
        *dtype = (ppq_dtype) t->elem_type;
    else if (t->elem_type)
        ppq_site_warn(s, "declared data type %d is not known (known are 1 to %d)", t->elem_type,
                      PPQ_DT_ONNX_END - 1);
    if (!t->shape)
        return PPQ_OK;
    if (t->shape->n_dim > PPQ_MAX_RANK)
        return ppq_site_fail(s, PPQ_ERR_UNSUPPORTED,
                             "it has %zu declared dimensions, at most %d are handled",
                             t->shape->n_dim, PPQ_MAX_RANK);
    ppq_shape r = { .rank = (int32_t) t->shape->n_dim };
    for (int i = 0; i < r.rank; i++)
        PPQ_TRY(read_dim(b, t->shape->dim[i], s, &r.dim[i]));
    *shape = r;
    return PPQ_OK;
}

static bool shapes_disagree(const ppq_shape *value, const ppq_shape *declared)
{
    if (declared->rank < 0)
        return false;
    bool differ = declared->rank != value->rank;
    for (int i = 0; i < value->rank && !differ; i++)
        differ = declared->dim[i] >= 0 && declared->dim[i] != value->dim[i];
    return differ;
}

static ppq_status set_type(const ppq_build *b, ppq_var *v, const Onnx__ValueInfoProto *info)
{
    const ppq_site s = var_site(b, v->name);
    ppq_dtype dtype;
    ppq_shape shape;
    PPQ_TRY(read_type(b, info->type, &s, &dtype, &shape));
    if (ppq_var_is_const(v)) {
        if ((dtype && dtype != v->dtype) || shapes_disagree(&v->shape, &shape))
            ppq_site_warn(&s, "its declared type differs from its value's, which is used");
    } else {
        if (!v->dtype)
            v->dtype = dtype;
        if (v->shape.rank < 0)
            v->shape = shape;
    }
    if (!v->type_proto.size) {
        Onnx__ValueInfoProto e = *info;
        e.name = NULL;
        v->type_proto = ppq_pack_blob(b->graph->arena, &e.base);
    }
    return PPQ_OK;
}

// ---- constants ------------------------------------------------------------------------------

static bool is_defined(const ppq_var *v)
{
    return v->producer.op || v->is_input || ppq_var_is_const(v);
}

// The var called `name`, made when new. Fails when something else defines it already.
static ppq_status define_var(const ppq_build *b, const char *name, ppq_var **out)
{
    ppq_var *v = ppq_graph_find_var(b->graph, name);
    if (v && is_defined(v)) {
        const ppq_site s = var_site(b, name);
        return ppq_site_fail(&s, PPQ_ERR_MODEL, "it is defined twice, names must be unique");
    }
    *out = v ? v : ppq_graph_add_var(b->graph, name);
    return PPQ_OK;
}

static ppq_status define_const(const ppq_build *b, const char *name, ppq_tensor *take_value,
                               ppq_blob extra)
{
    ppq_var *v;
    const ppq_status st = define_var(b, name, &v);
    if (st != PPQ_OK) {
        ppq_tensor_unref(take_value);
        return st;
    }
    ppq_var_set_value(v, take_value);
    v->tensor_extra = extra;
    return PPQ_OK;
}

static ppq_status add_initializers(const ppq_build *b, const Onnx__GraphProto *p)
{
    const ppq_site whole = graph_site(b);
    for (size_t i = 0; i < p->n_initializer; i++) {
        Onnx__TensorProto *t = p->initializer[i];
        if (is_blank(t->name))
            return ppq_site_fail(&whole, PPQ_ERR_MODEL, "initializer %zu has no name", i);
        const ppq_site s = var_site(b, t->name);
        ppq_tensor value;
        PPQ_TRY(ppq_tensor_read(b->reader, t, &s, &value));
        PPQ_TRY(define_const(b, t->name, &value, tensor_extra(b->graph, t)));
    }
    for (size_t i = 0; i < p->n_sparse_initializer; i++) {
        Onnx__SparseTensorProto *t = p->sparse_initializer[i];
        if (!t->values || is_blank(t->values->name))
            return ppq_site_fail(&whole, PPQ_ERR_MODEL, "sparse initializer %zu has no name", i);
        const ppq_site s = var_site(b, t->values->name);
        ppq_tensor value;
        PPQ_TRY(ppq_tensor_read_sparse(b->reader, t, &s, &value));
        PPQ_TRY(define_const(b, t->values->name, &value, tensor_extra(b->graph, t->values)));
    }
    return PPQ_OK;
}

static ppq_status add_inputs(const ppq_build *b, const Onnx__GraphProto *p)
{
    for (size_t i = 0; i < p->n_input; i++) {
        const char *name = p->input[i]->name;
        if (is_blank(name)) {
            const ppq_site s = graph_site(b);
            return ppq_site_fail(&s, PPQ_ERR_MODEL, "graph input %zu has no name", i);
        }
        // Before IR 4 every initializer is also listed as an input: those are constants.
        ppq_var *v = ppq_graph_find_var(b->graph, name);
        if (!v || !ppq_var_is_const(v)) {
            PPQ_TRY(define_var(b, name, &v));
            ppq_graph_mark_input(b->graph, v);
        }
        PPQ_TRY(set_type(b, v, p->input[i]));
    }
    return PPQ_OK;
}

// ---- attributes -----------------------------------------------------------------------------

static ppq_string copy_string(ppq_arena *a, ProtobufCBinaryData s)
{
    char *p = ppq_arena_zalloc(a, s.len + 1, 1, 1);
    if (s.len)
        memcpy(p, s.data, s.len);
    return (ppq_string){ p, s.len };
}

static const void *copy_list(ppq_arena *a, const void *src, size_t n, size_t size)
{
    void *p = ppq_arena_zalloc(a, n, size, size);
    if (n)
        memcpy(p, src, n * size);
    return p;
}

// The attribute's type; old files leave it out and only one value is set.
static int attr_type(const Onnx__AttributeProto *a)
{
    if (a->has_type && a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED)
        return (int) a->type;
    const struct {
        bool set;
        Onnx__AttributeProto__AttributeType type;
    } by_value[] = {
        { a->has_f, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT },
        { a->has_i, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT },
        { a->has_s, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING },
        { a->t != NULL, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR },
        { a->g != NULL, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH },
        { a->n_floats > 0, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS },
        { a->n_ints > 0, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS },
        { a->n_strings > 0, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS },
        { a->n_tensors > 0, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSORS },
        { a->n_graphs > 0, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPHS },
    };
    for (size_t i = 0; i < PPQ_COUNT(by_value); i++)
        if (by_value[i].set)
            return (int) by_value[i].type;
    return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED;
}

static ppq_status internalize_attrs(const ppq_build *b, Onnx__AttributeProto *const *attrs,
                                    size_t n, const ppq_site *s);

static ppq_status internalize_sparse(const ppq_build *b, const Onnx__SparseTensorProto *t,
                                     const ppq_site *s)
{
    if (t && t->values)
        PPQ_TRY(ppq_tensor_internalize(b->reader, t->values, s));
    if (t && t->indices)
        PPQ_TRY(ppq_tensor_internalize(b->reader, t->indices, s));
    return PPQ_OK;
}

static ppq_status internalize_graph(const ppq_build *b, const Onnx__GraphProto *g,
                                    const ppq_site *s)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        PPQ_TRY(ppq_tensor_internalize(b->reader, g->initializer[i], s));
    for (size_t i = 0; i < g->n_sparse_initializer; i++)
        PPQ_TRY(internalize_sparse(b, g->sparse_initializer[i], s));
    for (size_t i = 0; i < g->n_node; i++)
        PPQ_TRY(internalize_attrs(b, g->node[i]->attribute, g->node[i]->n_attribute, s));
    return PPQ_OK;
}

// Raw attributes travel as they are, so they must not refer to files beside the model.
static ppq_status internalize_attrs(const ppq_build *b, Onnx__AttributeProto *const *attrs,
                                    size_t n, const ppq_site *s)
{
    for (size_t i = 0; i < n; i++) {
        const Onnx__AttributeProto *a = attrs[i];
        if (a->t)
            PPQ_TRY(ppq_tensor_internalize(b->reader, a->t, s));
        if (a->g)
            PPQ_TRY(internalize_graph(b, a->g, s));
        PPQ_TRY(internalize_sparse(b, a->sparse_tensor, s));
        for (size_t k = 0; k < a->n_tensors; k++)
            PPQ_TRY(ppq_tensor_internalize(b->reader, a->tensors[k], s));
        for (size_t k = 0; k < a->n_graphs; k++)
            PPQ_TRY(internalize_graph(b, a->graphs[k], s));
        for (size_t k = 0; k < a->n_sparse_tensors; k++)
            PPQ_TRY(internalize_sparse(b, a->sparse_tensors[k], s));
    }
    return PPQ_OK;
}

static ppq_status read_attr_tensor(const ppq_build *b, const Onnx__AttributeProto *a,
                                   const ppq_site *s, ppq_attr *out)
{
    if (!a->t)
        return ppq_site_fail(s, PPQ_ERR_MODEL, "attribute '%s' has no tensor", a->name);
    ppq_tensor *t = ppq_new(b->graph->arena, ppq_tensor);
    PPQ_TRY(ppq_tensor_read(b->reader, a->t, s, t));
    out->u.t = t;
    out->kind = PPQ_ATTR_TENSOR;
    return PPQ_OK;
}

static ppq_status read_attr(const ppq_build *b, Onnx__AttributeProto *a, const ppq_site *s,
                            ppq_attr *out)
{
    ppq_arena *arena = b->graph->arena;
    ppq_attr r = { .name = ppq_arena_printf(arena, "%s", a->name), .count = 1 };
    switch (attr_type(a)) {
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED:
        return ppq_site_fail(s, PPQ_ERR_MODEL, "attribute '%s' has neither type nor value",
                             a->name);
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:
        r.kind = PPQ_ATTR_FLOAT;
        r.u.f = a->f;
        break;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
        r.kind = PPQ_ATTR_INT;
        r.u.i = a->i;
        break;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
        r.kind = PPQ_ATTR_STRING;
        r.u.s = copy_string(arena, a->s);
        break;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
        PPQ_TRY(read_attr_tensor(b, a, s, &r));
        break;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
        r.kind = PPQ_ATTR_FLOATS;
        r.count = a->n_floats;
        r.u.floats = copy_list(arena, a->floats, a->n_floats, sizeof(float));
        break;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
        r.kind = PPQ_ATTR_INTS;
        r.count = a->n_ints;
        r.u.ints = copy_list(arena, a->ints, a->n_ints, sizeof(int64_t));
        break;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS: {
        ppq_string *strings = ppq_new_n(arena, ppq_string, a->n_strings);
        for (size_t i = 0; i < a->n_strings; i++)
            strings[i] = copy_string(arena, a->strings[i]);
        r.kind = PPQ_ATTR_STRINGS;
        r.count = a->n_strings;
        r.u.strings = strings;
        break;
    }
    default:
        PPQ_TRY(internalize_attrs(b, &a, 1, s));
        r.kind = PPQ_ATTR_RAW;
        r.u.raw = ppq_pack_blob(arena, &a->base);
    }
    *out = r;
    return PPQ_OK;
}

static ppq_status check_attr(const Onnx__NodeProto *node, size_t i, const ppq_site *s)
{
    const Onnx__AttributeProto *a = node->attribute[i];
    if (is_blank(a->name))
        return ppq_site_fail(s, PPQ_ERR_MODEL, "attribute %zu has no name", i);
    if (!is_blank(a->ref_attr_name))
        return ppq_site_fail(s, PPQ_ERR_MODEL,
                             "attribute '%s' refers to '%s', allowed only inside a function",
                             a->name, a->ref_attr_name);
    return PPQ_OK;
}

// ---- nodes ----------------------------------------------------------------------------------

static const char *domain_of(const Onnx__NodeProto *n)
{
    return !n->domain || strcmp(n->domain, "ai.onnx") == 0 ? "" : n->domain;
}

static ppq_status scalar_or_list(const ppq_attr *a, ppq_tensor *out)
{
    const bool list = a->kind == PPQ_ATTR_INTS || a->kind == PPQ_ATTR_FLOATS;
    const bool ints = a->kind == PPQ_ATTR_INT || a->kind == PPQ_ATTR_INTS;
    const ppq_shape shape = { .rank = list, .dim = { (int64_t) a->count } };
    PPQ_TRY(ppq_tensor_alloc(out, ints ? PPQ_DT_I64 : PPQ_DT_F32, &shape));
    const void *src = list ? (ints ? (const void *) a->u.ints : a->u.floats)
                           : (ints ? (const void *) &a->u.i : &a->u.f);
    if (ppq_tensor_bytes(out))
        memcpy(ppq_tensor_data(out), src, ppq_tensor_bytes(out));
    return PPQ_OK;
}

// The value of a Constant node in any of its spellings.
static ppq_status constant_value(const ppq_build *b, Onnx__AttributeProto *a, const ppq_site *s,
                                 ppq_tensor *out)
{
    const int type = attr_type(a);
    if (strcmp(a->name, "value") == 0 && a->t)
        return ppq_tensor_read(b->reader, a->t, s, out);
    if (strcmp(a->name, "sparse_value") == 0 && a->sparse_tensor)
        return ppq_tensor_read_sparse(b->reader, a->sparse_tensor, s, out);
    ppq_status st = PPQ_ERR_MODEL;
    if (strcmp(a->name, "value_string") == 0 &&
        type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING) {
        st = ppq_tensor_from_strings(&a->s, &(ppq_shape){ 0 }, out);
    } else if (strcmp(a->name, "value_strings") == 0 &&
               type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS) {
        const ppq_shape shape = ppq_shape_1d((int64_t) a->n_strings);
        st = ppq_tensor_from_strings(a->strings, &shape, out);
    } else {
        static const struct {
            const char *name;
            int type;
        } plain[] = {
            { "value_int", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT },
            { "value_ints", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS },
            { "value_float", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT },
            { "value_floats", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS },
        };
        for (size_t i = 0; i < PPQ_COUNT(plain); i++)
            if (strcmp(a->name, plain[i].name) == 0 && type == plain[i].type) {
                ppq_attr r;
                PPQ_TRY(read_attr(b, a, s, &r));
                st = scalar_or_list(&r, out);
            }
    }
    if (st == PPQ_ERR_MODEL)
        return ppq_site_fail(s, PPQ_ERR_MODEL,
                             "Constant has attribute '%s' of type %d, must be value, "
                             "sparse_value or value_{int,float,string}{,s} of its own type",
                             a->name, type);
    if (st != PPQ_OK)
        return ppq_site_fail(s, PPQ_ERR_NOMEM, "no memory for its value");
    return PPQ_OK;
}

// A tensor's own remarks win over those of the Constant node around it.
static ppq_blob constant_extra(const ppq_build *b, const Onnx__NodeProto *node)
{
    const Onnx__AttributeProto *a = node->attribute[0];
    Onnx__TensorProto e;
    onnx__tensor_proto__init(&e);
    if (a->t)
        e = *a->t;
    if (!e.doc_string)
        e.doc_string = node->doc_string;
    if (!e.n_metadata_props) {
        e.n_metadata_props = node->n_metadata_props;
        e.metadata_props = node->metadata_props;
    }
    return tensor_extra(b->graph, &e);
}

static ppq_status add_constant(const ppq_build *b, const Onnx__NodeProto *node, const ppq_site *s)
{
    if (node->n_attribute != 1 || node->n_input || node->n_output != 1)
        return ppq_site_fail(s, PPQ_ERR_MODEL,
                             "Constant has %zu inputs, %zu outputs and %zu attributes, must have "
                             "0, 1 and 1",
                             node->n_input, node->n_output, node->n_attribute);
    PPQ_TRY(check_attr(node, 0, s));
    if (is_blank(node->output[0]))
        return PPQ_OK;
    ppq_tensor value;
    PPQ_TRY(constant_value(b, node->attribute[0], s, &value));
    return define_const(b, node->output[0], &value, constant_extra(b, node));
}

static void read_var(const ppq_build *b, ppq_op *op, int32_t slot, const char *name)
{
    if (is_blank(name))
        return;
    ppq_var *v = ppq_graph_find_var(b->graph, name);
    ppq_graph_set_input(b->graph, op, slot, v ? v : ppq_graph_add_var(b->graph, name));
}

static ppq_status connect(const ppq_build *b, ppq_op *op, const Onnx__NodeProto *node)
{
    // Only raw attributes keep their graphs.
    Onnx__AttributeProto **raw = ppq_new_n(b->scratch, Onnx__AttributeProto *, node->n_attribute);
    size_t n_raw = 0;
    for (size_t i = 0; i < node->n_attribute; i++)
        if (op->attrs[i].kind == PPQ_ATTR_RAW)
            raw[n_raw++] = node->attribute[i];
    const char **captured;
    size_t n_captured;
    ppq_captures(raw, n_raw, b->scratch, &captured, &n_captured);
    op->n_implicit = (int32_t) n_captured;
    if (n_captured)
        op->in = ppq_new_n(b->graph->arena, ppq_var *, node->n_input + n_captured);
    for (size_t i = 0; i < node->n_input; i++)
        read_var(b, op, (int32_t) i, node->input[i]);
    for (size_t i = 0; i < n_captured; i++)
        read_var(b, op, (int32_t) (node->n_input + i), captured[i]);
    for (size_t i = 0; i < node->n_output; i++) {
        if (is_blank(node->output[i]))
            continue;
        ppq_var *v;
        PPQ_TRY(define_var(b, node->output[i], &v));
        ppq_graph_set_output(b->graph, op, (int32_t) i, v);
    }
    return PPQ_OK;
}

static ppq_status add_op(const ppq_build *b, const Onnx__NodeProto *node, const char *name,
                         const ppq_site *s)
{
    ppq_op *op = ppq_graph_add_op(b->graph, domain_of(node), node->op_type, name,
                                  (int32_t) node->n_input, (int32_t) node->n_output);
    op->attrs = ppq_new_n(b->graph->arena, ppq_attr, node->n_attribute);
    for (size_t i = 0; i < node->n_attribute; i++) {
        PPQ_TRY(check_attr(node, i, s));
        if (ppq_op_attr(op, node->attribute[i]->name))
            return ppq_site_fail(s, PPQ_ERR_MODEL, "attribute '%s' is given twice",
                                 node->attribute[i]->name);
        PPQ_TRY(read_attr(b, node->attribute[i], s, &op->attrs[i]));
        op->n_attrs++;
    }
    op->extra = node_extra(b, node, op->attrs);
    return connect(b, op, node);
}

static ppq_status check_counts(const Onnx__NodeProto *node, const ppq_site *s)
{
    if (node->n_attribute > MAX_ATTRS)
        return ppq_site_fail(s, PPQ_ERR_UNSUPPORTED,
                             "it has %zu attributes, at most %d are handled", node->n_attribute,
                             MAX_ATTRS);
    size_t n = 0;
    for (size_t i = 0; i < node->n_attribute; i++)
        n += node->attribute[i]->n_graphs + (node->attribute[i]->g != NULL);
    if (n > MAX_SUBGRAPHS)
        return ppq_site_fail(s, PPQ_ERR_UNSUPPORTED, "it has %zu subgraphs, at most %d are handled",
                             n, MAX_SUBGRAPHS);
    return PPQ_OK;
}

static ppq_status add_nodes(const ppq_build *b, const Onnx__GraphProto *p)
{
    size_t n_unnamed = 0;
    for (size_t i = 0; i < p->n_node; i++) {
        const Onnx__NodeProto *node = p->node[i];
        char generated[40];
        const char *name = node->name;
        if (is_blank(name)) {
            snprintf(generated, sizeof(generated), "generated_name_%zu", n_unnamed++);
            name = generated;
        }
        const ppq_site s = op_site(b, name);
        if (is_blank(node->op_type))
            return ppq_site_fail(&s, PPQ_ERR_MODEL, "node %zu has no op_type", i);
        PPQ_TRY(check_counts(node, &s));
        if (strcmp(node->op_type, "Constant") == 0 && !domain_of(node)[0])
            PPQ_TRY(add_constant(b, node, &s));
        else
            PPQ_TRY(add_op(b, node, name, &s));
    }
    return PPQ_OK;
}

// ---- the graph ------------------------------------------------------------------------------

static ppq_status add_outputs(const ppq_build *b, const Onnx__GraphProto *p)
{
    for (size_t i = 0; i < p->n_output; i++) {
        const char *name = p->output[i]->name;
        const ppq_site s = var_site(b, name);
        ppq_var *v = is_blank(name) ? NULL : ppq_graph_find_var(b->graph, name);
        if (!v && b->nested && !is_blank(name))
            v = ppq_graph_add_var(b->graph, name);
        if (!v || (!is_defined(v) && !b->nested)) {
            const ppq_site whole = graph_site(b);
            return is_blank(name)
                       ? ppq_site_fail(&whole, PPQ_ERR_MODEL, "graph output %zu has no name", i)
                       : ppq_site_fail(&s, PPQ_ERR_MODEL,
                                       "it is a graph output, but nothing "
                                       "produces it");
        }
        if (v->is_output)
            return ppq_site_fail(&s, PPQ_ERR_MODEL, "it is listed twice as a graph output");
        ppq_graph_mark_output(b->graph, v);
        PPQ_TRY(set_type(b, v, p->output[i]));
    }
    return PPQ_OK;
}

// Declared types of tensors that do not exist stay in *p, for graph_extra.
static ppq_status add_value_info(const ppq_build *b, Onnx__GraphProto *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n_value_info; i++) {
        Onnx__ValueInfoProto *info = p->value_info[i];
        ppq_var *v = is_blank(info->name) ? NULL : ppq_graph_find_var(b->graph, info->name);
        if (v)
            PPQ_TRY(set_type(b, v, info));
        else
            p->value_info[kept++] = info;
    }
    p->n_value_info = kept;
    return PPQ_OK;
}

static ppq_status check_defined(const ppq_build *b)
{
    ppq_graph *g = b->graph;
    const ppq_var *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < g->n_vars; i++) {
        if (is_defined(g->vars[i]))
            continue;
        if (b->nested) {
            ppq_graph_mark_input(g, g->vars[i]);
            continue;
        }
        first = first ? first : g->vars[i];
        n++;
    }
    if (!n)
        return PPQ_OK;
    const ppq_site s = op_site(b, first->uses[0].op->name);
    const bool captured = first->uses[0].slot >= first->uses[0].op->n_in;
    return ppq_site_fail(
        &s, PPQ_ERR_MODEL, "%s tensor '%s', which nothing defines (%zu such tensor%s in all)",
        captured ? "its subgraphs read" : "it reads", first->name, n, n == 1 ? "" : "s");
}

ppq_status ppq_build_graph(const ppq_build *b, Onnx__GraphProto *p)
{
    ppq_graph *g = b->graph;
    g->name = ppq_arena_printf(g->arena, "%s", p->name ? p->name : "");
    PPQ_TRY(add_initializers(b, p));
    PPQ_TRY(add_inputs(b, p));
    PPQ_TRY(add_nodes(b, p));
    PPQ_TRY(add_outputs(b, p));
    PPQ_TRY(add_value_info(b, p));
    PPQ_TRY(check_defined(b));
    Onnx__GraphProto e = *p;
    e.n_node = e.n_initializer = e.n_sparse_initializer = e.n_input = e.n_output = 0;
    e.name = NULL;
    g->graph_extra = ppq_pack_blob(g->arena, &e.base);
    return PPQ_OK;
}
