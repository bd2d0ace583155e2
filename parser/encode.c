#include "parser/encode.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/map.h"
#include "parser/pbmem.h"
#include "parser/subgraph.h"
#include "parser/wire.h"

// Field tags (number << 3 | 2) that are written by hand.
enum {
    TAG_MODEL_GRAPH = 7 << 3 | 2,
    TAG_NODE = 1 << 3 | 2,
    TAG_INITIALIZER = 5 << 3 | 2,
    TAG_INPUT = 11 << 3 | 2,
    TAG_OUTPUT = 12 << 3 | 2,
    TAG_VALUE_INFO = 13 << 3 | 2,
    TAG_RAW_DATA = 9 << 3 | 2,
};

// Weights in an external file start at multiples of this.
enum { DATA_ALIGN = 64 };

struct enc {
    const ppq_graph *g;
    const ppq_encode_opts *opts;
    ppq_arena *arena; // messages while they are made, and the small pieces
    ppq_pbmem mem;    // messages unpacked from `extra` blobs
    ppq_pieces graph, data;
    ppq_diag *diag;
};

static ppq_status PPQ_PRINTF(4, 5)
    cannot_encode(const struct enc *e, ppq_status code, ppq_loc loc, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    loc.stage = "write";
    return ppq_fail(e->diag, code, loc, "%s '%s': %s", loc.op ? "op" : "tensor",
                    loc.op ? loc.op : loc.var, text);
}

// protobuf-c has no notion of const; nothing is ever written through these.
static char *mut(const char *s)
{
    return (char *) (uintptr_t) s;
}

// ---- pieces ---------------------------------------------------------------------------------

static void push(ppq_pieces *p, const void *data, size_t n)
{
    if (!n)
        return;
    if (p->n == p->cap) {
        p->cap = 2 * p->cap + 64;
        p->v = realloc(p->v, p->cap * sizeof(*p->v));
        if (!p->v)
            abort();
    }
    p->v[p->n++] = (ppq_blob){ data, n };
    p->bytes += n;
}

static size_t put_varint(unsigned char *dst, uint64_t x)
{
    size_t n = 0;
    for (; x >= 0x80; x >>= 7)
        dst[n++] = (unsigned char) (x | 0x80);
    dst[n++] = (unsigned char) x;
    return n;
}

// Tag, length, message and what of the message follows as a piece of its own.
static void push_message(struct enc *e, ppq_pieces *to, unsigned tag, const ProtobufCMessage *m,
                         const void *payload, size_t payload_size)
{
    unsigned char raw[16];
    size_t n_raw = 0;
    if (payload) {
        raw[n_raw++] = TAG_RAW_DATA;
        n_raw += put_varint(raw + n_raw, payload_size);
    }
    const size_t size = protobuf_c_message_get_packed_size(m);
    unsigned char *p = ppq_arena_zalloc(e->arena, size + 2 * sizeof(raw), 1, 1);
    size_t n = put_varint(p, tag);
    n += put_varint(p + n, size + n_raw + payload_size);
    n += protobuf_c_message_pack(m, p + n);
    memcpy(p + n, raw, n_raw);
    push(to, p, n + n_raw);
    push(to, payload, payload_size);
}

// The message kept in a blob, or an empty one; NULL once reported. Its fields may be replaced
// freely.
static void *unpack_blob(struct enc *e, ppq_blob b, const ProtobufCMessageDescriptor *type)
{
    void *m = protobuf_c_message_unpack(type, &e->mem.allocator, b.size, b.data);
    if (!m)
        (void) ppq_fail(e->diag, PPQ_ERR_STATE, (ppq_loc){ .stage = "write" },
                        "%zu kept bytes are no %s", b.size, type->short_name);
    return m;
}

// ---- tensors --------------------------------------------------------------------------------

static ProtobufCBinaryData binary(ppq_string s)
{
    return (ProtobufCBinaryData){ s.size, (uint8_t *) (uintptr_t) s.data };
}

static void fill_strings(struct enc *e, const ppq_string *src, size_t n, size_t *n_out,
                         ProtobufCBinaryData **out)
{
    *n_out = n;
    *out = ppq_new_n(e->arena, ProtobufCBinaryData, n);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = binary(src[i]);
}

// Everything but the data, which is filled in here only for strings.
static void fill_tensor(struct enc *e, const ppq_tensor *t, Onnx__TensorProto *m)
{
    assert(t->layout == PPQ_LAYOUT_PLAIN);
    m->n_dims = (size_t) t->shape.rank;
    m->dims = ppq_new_n(e->arena, int64_t, m->n_dims);
    memcpy(m->dims, t->shape.dim, m->n_dims * sizeof(*m->dims));
    m->has_data_type = true;
    m->data_type = (int32_t) t->dtype;
    if (t->dtype == PPQ_DT_STRING)
        fill_strings(e, ppq_tensor_data(t), (size_t) ppq_shape_numel(&t->shape), &m->n_string_data,
                     &m->string_data);
}

static void fill_external(struct enc *e, Onnx__TensorProto *m, const void *payload, size_t bytes)
{
    static const unsigned char zeros[DATA_ALIGN];
    push(&e->data, zeros, (size_t) (-e->data.bytes % DATA_ALIGN));
    const char *const entries[][2] = {
        { "location", e->opts->location },
        { "offset", ppq_arena_printf(e->arena, "%llu", (unsigned long long) e->data.bytes) },
        { "length", ppq_arena_printf(e->arena, "%zu", bytes) },
    };
    m->external_data = ppq_new_n(e->arena, Onnx__StringStringEntryProto *, PPQ_COUNT(entries));
    m->n_external_data = PPQ_COUNT(entries);
    for (size_t i = 0; i < PPQ_COUNT(entries); i++) {
        Onnx__StringStringEntryProto *kv = ppq_new(e->arena, Onnx__StringStringEntryProto);
        onnx__string_string_entry_proto__init(kv);
        kv->key = mut(entries[i][0]);
        kv->value = mut(entries[i][1]);
        m->external_data[i] = kv;
    }
    m->has_data_location = true;
    m->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    push(&e->data, payload, bytes);
}

static ppq_status encode_initializer(struct enc *e, const ppq_var *v)
{
    Onnx__TensorProto *m = unpack_blob(e, v->tensor_extra, &onnx__tensor_proto__descriptor);
    if (!m)
        return PPQ_ERR_STATE;
    fill_tensor(e, &v->value, m);
    m->name = mut(v->name);
    const bool raw = v->value.dtype != PPQ_DT_STRING;
    const size_t bytes = raw ? ppq_tensor_bytes(&v->value) : 0;
    const void *payload = raw ? ppq_tensor_data(&v->value) : NULL;
    if (raw && e->opts->location && bytes >= e->opts->external_min) {
        fill_external(e, m, payload, bytes);
        payload = NULL;
    } else if (bytes > PPQ_WIRE_MAX_SIZE) {
        return cannot_encode(e, PPQ_ERR_UNSUPPORTED, (ppq_loc){ .var = v->name },
                             "%zu bytes are more than a model file can hold (%zu), "
                             "use external data",
                             bytes, PPQ_WIRE_MAX_SIZE);
    }
    push_message(e, &e->graph, TAG_INITIALIZER, &m->base, payload, payload ? bytes : 0);
    return PPQ_OK;
}

// ---- attributes -----------------------------------------------------------------------------

static void fill_attr_tensor(struct enc *e, const ppq_tensor *t, Onnx__AttributeProto *m)
{
    if (!m->t) {
        m->t = ppq_new(e->arena, Onnx__TensorProto);
        onnx__tensor_proto__init(m->t);
    }
    fill_tensor(e, t, m->t);
    if (t->dtype != PPQ_DT_STRING) {
        m->t->has_raw_data = true;
        m->t->raw_data = (ProtobufCBinaryData){ ppq_tensor_bytes(t), ppq_tensor_data(t) };
    }
}

// `m` holds what the attribute carried besides its value.
static void fill_attr(struct enc *e, const ppq_attr *a, Onnx__AttributeProto *m)
{
    static const Onnx__AttributeProto__AttributeType types[] = {
        [PPQ_ATTR_INT] = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT,
        [PPQ_ATTR_FLOAT] = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT,
        [PPQ_ATTR_STRING] = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING,
        [PPQ_ATTR_TENSOR] = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR,
        [PPQ_ATTR_INTS] = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS,
        [PPQ_ATTR_FLOATS] = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS,
        [PPQ_ATTR_STRINGS] = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS,
    };
    m->name = mut(a->name);
    m->has_type = true;
    m->type = types[a->kind];
    switch (a->kind) {
    case PPQ_ATTR_INT:
        m->has_i = true;
        m->i = a->u.i;
        break;
    case PPQ_ATTR_FLOAT:
        m->has_f = true;
        m->f = a->u.f;
        break;
    case PPQ_ATTR_STRING:
        m->has_s = true;
        m->s = binary(a->u.s);
        break;
    case PPQ_ATTR_TENSOR:
        fill_attr_tensor(e, a->u.t, m);
        break;
    case PPQ_ATTR_INTS:
        m->n_ints = a->count;
        m->ints = (int64_t *) (uintptr_t) a->u.ints;
        break;
    case PPQ_ATTR_FLOATS:
        m->n_floats = a->count;
        m->floats = (float *) (uintptr_t) a->u.floats;
        break;
    case PPQ_ATTR_STRINGS:
        fill_strings(e, a->u.strings, a->count, &m->n_strings, &m->strings);
        break;
    case PPQ_ATTR_RAW:
        break;
    }
}

// Finds the remarks kept about attribute `name`, or makes an empty message.
static Onnx__AttributeProto *attr_message(struct enc *e, const Onnx__NodeProto *kept,
                                          const char *name)
{
    for (size_t i = 0; i < kept->n_attribute; i++)
        if (strcmp(kept->attribute[i]->name, name) == 0)
            return kept->attribute[i];
    Onnx__AttributeProto *m = ppq_new(e->arena, Onnx__AttributeProto);
    onnx__attribute_proto__init(m);
    return m;
}

static void rename_capture(void *user, char **name)
{
    const char *to = ppq_map_get(user, *name);
    if (to)
        *name = mut(to);
}

// Subgraphs name the outer tensors they read; edges of the graph may have moved since.
static ppq_status rename_captures(struct enc *e, const ppq_op *op, const Onnx__NodeProto *m)
{
    const char **names;
    size_t n;
    ppq_captures(m->attribute, m->n_attribute, e->arena, &names, &n);
    if (n != (size_t) op->n_implicit)
        return cannot_encode(e, PPQ_ERR_STATE, (ppq_loc){ .op = op->name },
                             "its subgraphs read %zu outer tensors, the graph says %d", n,
                             op->n_implicit);
    ppq_map *renamed = ppq_map_create();
    ppq_status st = PPQ_OK;
    bool any = false;
    for (size_t i = 0; i < n && st == PPQ_OK; i++) {
        const ppq_var *v = op->in[op->n_in + (int32_t) i];
        if (!v) {
            st = cannot_encode(e, PPQ_ERR_STATE, (ppq_loc){ .op = op->name },
                               "its subgraphs read tensor '%s', which is gone", names[i]);
        } else if (strcmp(v->name, names[i]) != 0) {
            any = true;
            ppq_map_set(renamed, names[i], mut(v->name));
            if (ppq_subgraphs_define(m->attribute, m->n_attribute, v->name))
                st = cannot_encode(e, PPQ_ERR_UNSUPPORTED, (ppq_loc){ .op = op->name },
                                   "its subgraphs read outer tensor '%s' and have a tensor of "
                                   "that name themselves",
                                   v->name);
        }
    }
    if (st == PPQ_OK && any)
        ppq_captures_visit(m->attribute, m->n_attribute, rename_capture, renamed);
    ppq_map_destroy(renamed);
    return st;
}

// ---- nodes ----------------------------------------------------------------------------------

static char **var_names(struct enc *e, ppq_var *const *vars, int32_t n)
{
    char **names = ppq_new_n(e->arena, char *, (size_t) n);
    for (int32_t i = 0; i < n; i++)
        names[i] = vars[i] ? mut(vars[i]->name) : mut("");
    return names;
}

static ppq_status encode_op(struct enc *e, const ppq_op *op)
{
    Onnx__NodeProto *m = unpack_blob(e, op->extra, &onnx__node_proto__descriptor);
    if (!m)
        return PPQ_ERR_STATE;
    m->name = mut(op->name);
    m->op_type = mut(op->type);
    m->domain = op->domain[0] ? mut(op->domain) : NULL;
    m->n_input = (size_t) op->n_in;
    m->input = var_names(e, op->in, op->n_in);
    m->n_output = (size_t) op->n_out;
    m->output = var_names(e, op->out, op->n_out);
    Onnx__AttributeProto **attrs =
        ppq_new_n(e->arena, Onnx__AttributeProto *, (size_t) op->n_attrs);
    for (int32_t i = 0; i < op->n_attrs; i++) {
        const ppq_attr *a = &op->attrs[i];
        if (a->kind == PPQ_ATTR_RAW) {
            attrs[i] = unpack_blob(e, a->u.raw, &onnx__attribute_proto__descriptor);
            if (!attrs[i])
                return PPQ_ERR_STATE;
            continue;
        }
        attrs[i] = attr_message(e, m, a->name);
        fill_attr(e, a, attrs[i]);
    }
    m->attribute = attrs;
    m->n_attribute = (size_t) op->n_attrs;
    if (op->n_implicit)
        PPQ_TRY(rename_captures(e, op, m));
    push_message(e, &e->graph, TAG_NODE, &m->base, NULL, 0);
    return PPQ_OK;
}

// ---- types ----------------------------------------------------------------------------------

typedef Onnx__TensorShapeProto__Dimension dim_proto;

static bool dim_matches(const struct enc *e, const dim_proto *m, int64_t dim)
{
    if (m->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
        return m->dim_value == dim;
    if (m->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM && m->dim_param[0])
        return dim <= PPQ_DIM_SYMBOL(0) &&
               strcmp(m->dim_param, e->g->symbols[PPQ_DIM_SYMBOL(0) - dim]) == 0;
    return dim == PPQ_DIM_UNKNOWN;
}

static void fill_dim(const struct enc *e, int64_t dim, dim_proto *m)
{
    if (dim_matches(e, m, dim))
        return;
    m->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE__NOT_SET;
    if (dim >= 0) {
        m->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        m->dim_value = dim;
    } else if (dim <= PPQ_DIM_SYMBOL(0)) {
        m->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        m->dim_param = mut(e->g->symbols[PPQ_DIM_SYMBOL(0) - dim]);
    }
}

static void fill_shape(struct enc *e, const ppq_shape *shape, Onnx__TypeProto__Tensor *t)
{
    if (shape->rank < 0) {
        t->shape = NULL;
        return;
    }
    if (!t->shape) {
        t->shape = ppq_new(e->arena, Onnx__TensorShapeProto);
        onnx__tensor_shape_proto__init(t->shape);
    }
    const size_t rank = (size_t) shape->rank;
    if (t->shape->n_dim != rank) {
        t->shape->n_dim = rank;
        t->shape->dim = ppq_new_n(e->arena, dim_proto *, rank);
        for (size_t i = 0; i < rank; i++) {
            t->shape->dim[i] = ppq_new(e->arena, dim_proto);
            onnx__tensor_shape_proto__dimension__init(t->shape->dim[i]);
        }
    }
    for (size_t i = 0; i < rank; i++)
        fill_dim(e, shape->dim[i], t->shape->dim[i]);
}

// Keeps what was read and changes what is known better now.
static void fill_type(struct enc *e, const ppq_var *v, Onnx__ValueInfoProto *m)
{
    if (m->type && m->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && !v->dtype)
        return;
    if (!v->dtype && v->shape.rank < 0)
        return;
    if (ppq_dtype_is_container(v->dtype)) // the declaration says what is in it
        return;
    if (!m->type) {
        m->type = ppq_new(e->arena, Onnx__TypeProto);
        onnx__type_proto__init(m->type);
    }
    if (m->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) {
        m->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
        m->type->tensor_type = ppq_new(e->arena, Onnx__TypeProto__Tensor);
        onnx__type_proto__tensor__init(m->type->tensor_type);
    }
    Onnx__TypeProto__Tensor *t = m->type->tensor_type;
    if (v->dtype) {
        t->has_elem_type = true;
        t->elem_type = (int32_t) v->dtype;
    }
    fill_shape(e, &v->shape, t);
}

static ppq_status encode_type(struct enc *e, unsigned tag, const ppq_var *v)
{
    Onnx__ValueInfoProto *m = unpack_blob(e, v->type_proto, &onnx__value_info_proto__descriptor);
    if (!m)
        return PPQ_ERR_STATE;
    // A constant's type is its value's; its declaration matters only for what else it says.
    if (ppq_var_is_const(v) && tag == TAG_VALUE_INFO && !m->doc_string && !m->n_metadata_props &&
        !m->base.n_unknown_fields && !(m->type && m->type->denotation))
        return PPQ_OK;
    m->name = mut(v->name);
    fill_type(e, v, m);
    push_message(e, &e->graph, tag, &m->base, NULL, 0);
    return PPQ_OK;
}

// ---- graph and model ------------------------------------------------------------------------

static ppq_status encode_graph(struct enc *e, int32_t n_inputs)
{
    const ppq_graph *g = e->g;
    // Files must be sorted; a file that was keeps its order.
    ppq_op **ops;
    size_t n_ops;
    PPQ_TRY(ppq_graph_topo(g, e->arena, &ops, &n_ops, e->diag));
    for (size_t i = 0; i < n_ops; i++)
        PPQ_TRY(encode_op(e, ops[i]));
    Onnx__GraphProto head = ONNX__GRAPH_PROTO__INIT;
    head.name = mut(g->name);
    const size_t size = protobuf_c_message_get_packed_size(&head.base);
    uint8_t *p = ppq_arena_zalloc(e->arena, size, 1, 1);
    push(&e->graph, p, protobuf_c_message_pack(&head.base, p));
    for (size_t i = 0; i < g->n_vars; i++)
        if (!g->vars[i]->dead && ppq_var_is_const(g->vars[i]))
            PPQ_TRY(encode_initializer(e, g->vars[i]));
    for (int32_t i = 0; i < n_inputs; i++)
        PPQ_TRY(encode_type(e, TAG_INPUT, g->inputs[i]));
    for (int32_t i = 0; i < g->n_outputs; i++)
        PPQ_TRY(encode_type(e, TAG_OUTPUT, g->outputs[i]));
    for (size_t i = 0; i < g->n_vars; i++) {
        const ppq_var *v = g->vars[i];
        if (!v->dead && !v->is_input && !v->is_output && v->type_proto.size)
            PPQ_TRY(encode_type(e, TAG_VALUE_INFO, v));
    }
    push(&e->graph, g->graph_extra.data, g->graph_extra.size);
    return PPQ_OK;
}

// The IR version in which a data type or an opset appeared.
static int64_t ir_needed(const ppq_graph *g)
{
    static const struct {
        int16_t opset, ir;
    } by_opset[] = { { 9, 4 },   { 10, 5 },  { 11, 6 },  { 12, 7 },  { 15, 8 }, { 19, 9 },
                     { 21, 10 }, { 23, 11 }, { 24, 12 }, { 25, 13 }, { 28, 14 } };
    int64_t ir = 3;
    const int64_t opset = ppq_graph_opset(g, "");
    for (size_t i = 0; i < PPQ_COUNT(by_opset); i++)
        if (opset >= by_opset[i].opset)
            ir = by_opset[i].ir;
    for (size_t i = 0; i < g->n_vars; i++) {
        const ppq_var *v = g->vars[i];
        if (v->dead)
            continue;
        if (ppq_var_is_const(v))
            ir = PPQ_MAX(ir, 4); // before, constants had to be listed as inputs
        if (ppq_dtype_is_container(v->dtype))
            ir = PPQ_MAX(ir, 8);
        else if (v->dtype >= PPQ_DT_U2)
            ir = PPQ_MAX(ir, 13);
        else if (v->dtype == PPQ_DT_F8E8M0)
            ir = PPQ_MAX(ir, 12);
        else if (v->dtype == PPQ_DT_F4E2M1)
            ir = PPQ_MAX(ir, 11);
        else if (v->dtype >= PPQ_DT_U4)
            ir = PPQ_MAX(ir, 10);
        else if (v->dtype >= PPQ_DT_F8E4M3FN)
            ir = PPQ_MAX(ir, 9);
    }
    return ir;
}

static Onnx__OperatorSetIdProto *opset_message(struct enc *e, const Onnx__ModelProto *kept,
                                               const char *domain)
{
    for (size_t i = 0; i < kept->n_opset_import; i++) {
        const char *d = kept->opset_import[i]->domain ? kept->opset_import[i]->domain : "";
        if (strcmp(strcmp(d, "ai.onnx") == 0 ? "" : d, domain) == 0)
            return kept->opset_import[i];
    }
    Onnx__OperatorSetIdProto *m = ppq_new(e->arena, Onnx__OperatorSetIdProto);
    onnx__operator_set_id_proto__init(m);
    m->domain = mut(domain);
    return m;
}

static ppq_status encode_model_head(struct enc *e, ppq_pieces *out)
{
    const ppq_graph *g = e->g;
    Onnx__ModelProto *m = unpack_blob(e, g->model_extra, &onnx__model_proto__descriptor);
    if (!m)
        return PPQ_ERR_STATE;
    m->has_ir_version = true;
    m->ir_version = PPQ_MAX(g->ir_version, ir_needed(g));
    const size_t n = (size_t) g->n_opsets;
    Onnx__OperatorSetIdProto **opsets = ppq_new_n(e->arena, Onnx__OperatorSetIdProto *, n);
    for (size_t i = 0; i < n; i++) {
        opsets[i] = opset_message(e, m, g->opsets[i].domain);
        opsets[i]->has_version = true;
        opsets[i]->version = g->opsets[i].version;
    }
    m->opset_import = opsets;
    m->n_opset_import = n;
    const size_t size = onnx__model_proto__get_packed_size(m);
    unsigned char *p = ppq_arena_zalloc(e->arena, size + 16, 1, 1);
    size_t at = onnx__model_proto__pack(m, p);
    at += put_varint(p + at, TAG_MODEL_GRAPH);
    at += put_varint(p + at, e->graph.bytes);
    push(out, p, at);
    return PPQ_OK;
}

static void begin(struct enc *e, const ppq_graph *g, const ppq_encode_opts *o, ppq_diag *d)
{
    *e = (struct enc){ .g = g, .opts = o, .arena = ppq_arena_create("encode"), .diag = d };
    ppq_pbmem_init(&e->mem, SIZE_MAX / 2);
}

ppq_status ppq_encode_model(const ppq_graph *g, const ppq_encode_opts *o, ppq_encoding *out,
                            ppq_diag *d)
{
    struct enc e;
    begin(&e, g, o, d);
    ppq_pieces model = { 0 };
    ppq_status st = encode_graph(&e, g->n_inputs);
    if (st == PPQ_OK)
        st = encode_model_head(&e, &model);
    for (size_t i = 0; st == PPQ_OK && i < e.graph.n; i++)
        push(&model, e.graph.v[i].data, e.graph.v[i].size);
    free(e.graph.v);
    ppq_pbmem_fini(&e.mem);
    ppq_encoding r = { .arena = e.arena, .model = model, .data = e.data };
    if (st == PPQ_OK)
        *out = r;
    else
        ppq_encoding_fini(&r);
    return st;
}

ppq_status ppq_encode_subgraph(const ppq_graph *g, int32_t n_inputs, ppq_arena *a, ppq_blob *out,
                               ppq_diag *d)
{
    struct enc e;
    begin(&e, g, &(ppq_encode_opts){ 0 }, d);
    const ppq_status st = encode_graph(&e, n_inputs);
    if (st == PPQ_OK) {
        unsigned char *p = ppq_arena_zalloc(a, (size_t) e.graph.bytes, 1, 1);
        *out = (ppq_blob){ p, (size_t) e.graph.bytes };
        for (size_t i = 0; i < e.graph.n; p += e.graph.v[i++].size)
            memcpy(p, e.graph.v[i].data, e.graph.v[i].size);
    }
    free(e.graph.v);
    ppq_pbmem_fini(&e.mem);
    ppq_arena_destroy(e.arena);
    return st;
}

void ppq_encoding_fini(ppq_encoding *e)
{
    free(e->model.v);
    free(e->data.v);
    ppq_arena_destroy(e->arena);
    *e = (ppq_encoding){ 0 };
}
