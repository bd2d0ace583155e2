#include "parser/load.h"

#include <string.h>

#include "parser/build.h"
#include "parser/functions.h"
#include "parser/opset.h"
#include "parser/wire.h"

// ---- payloads back into the unpacked messages -----------------------------------------------

static void restore(const ppq_wire *w, Onnx__TensorProto *t)
{
    uint32_t index;
    if (!t || !t->has_raw_data)
        return;
    memcpy(&index, t->raw_data.data, sizeof(index));
    // The messages live in a ppq_pbmem, which frees no field, so a field may point anywhere.
    const ppq_blob b = w->payloads[index];
    t->raw_data = (ProtobufCBinaryData){ b.size, (uint8_t *) (uintptr_t) b.data };
}

static void restore_sparse(const ppq_wire *w, const Onnx__SparseTensorProto *t)
{
    if (t) {
        restore(w, t->values);
        restore(w, t->indices);
    }
}

// Exactly the tensors that ppq_wire_strip emptied.
static void restore_graph(const ppq_wire *w, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        restore(w, g->initializer[i]);
    for (size_t i = 0; i < g->n_sparse_initializer; i++)
        restore_sparse(w, g->sparse_initializer[i]);
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_attribute; k++) {
            const Onnx__AttributeProto *a = g->node[i]->attribute[k];
            restore(w, a->t);
            restore_sparse(w, a->sparse_tensor);
            for (size_t j = 0; j < a->n_tensors; j++)
                restore(w, a->tensors[j]);
            for (size_t j = 0; j < a->n_sparse_tensors; j++)
                restore_sparse(w, a->sparse_tensors[j]);
        }
}

// ---- the model ------------------------------------------------------------------------------

static ppq_status read_opsets(ppq_graph *g, Onnx__ModelProto *m, const ppq_site *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->n_opset_import; i++) {
        Onnx__OperatorSetIdProto *o = m->opset_import[i];
        const int64_t before = ppq_graph_opset(g, ppq_opset_domain(o));
        if (!before)
            PPQ_TRY(ppq_opset_import(g, o, s));
        else if (before != o->version)
            return ppq_site_fail(s, PPQ_ERR_MODEL,
                                 "domain '%s' is imported with opset %lld and %lld",
                                 ppq_opset_domain(o), (long long) before, (long long) o->version);
        // Only what the graph's fields cannot hold stays in model_extra.
        if (o->base.n_unknown_fields)
            m->opset_import[kept++] = o;
    }
    m->n_opset_import = kept;
    const int64_t v = ppq_graph_opset(g, "");
    if (!v)
        return ppq_site_fail(s, PPQ_ERR_MODEL, "no opset of domain ai.onnx is imported");
    if (v > PPQ_OPSET_NEWEST)
        ppq_site_warn(s, "opset %lld is newer than the newest known one, %d", (long long) v,
                      PPQ_OPSET_NEWEST);
    return PPQ_OK;
}

// Everything but the graph itself, in which calls of functions are expanded.
static ppq_status read_model(ppq_graph *g, Onnx__ModelProto *m, ppq_pbmem *mem, ppq_arena *scratch,
                             const ppq_site *s)
{
    if (!m->has_ir_version || !m->graph)
        return ppq_site_fail(s, PPQ_ERR_MODEL, "not an ONNX model: it has no %s",
                             m->graph ? "ir_version" : "graph");
    if (m->ir_version < 1)
        return ppq_site_fail(s, PPQ_ERR_MODEL, "ir_version is %lld, must be 1 to %d",
                             (long long) m->ir_version, PPQ_IR_NEWEST);
    if (m->ir_version > PPQ_IR_NEWEST)
        ppq_site_warn(s, "ir_version %lld is newer than the newest known one, %d",
                      (long long) m->ir_version, PPQ_IR_NEWEST);
    g->ir_version = m->ir_version;
    PPQ_TRY(read_opsets(g, m, s));
    PPQ_TRY(ppq_inline_functions(m, g, mem, scratch, s));
    Onnx__ModelProto e = *m;
    e.has_ir_version = false;
    e.graph = NULL;
    g->model_extra = ppq_pack_blob(g->arena, &e.base);
    return PPQ_OK;
}

static bool has_external_data(const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (g->initializer[i]->n_external_data)
            return true;
    return false;
}

static ppq_status check_graph(const ppq_graph *g, ppq_diag *d)
{
    PPQ_TRY(ppq_graph_verify(g, d));
    ppq_arena *scratch = ppq_arena_create("topo");
    ppq_op **order;
    size_t n;
    const ppq_status st = ppq_graph_topo(g, scratch, &order, &n, d);
    ppq_arena_destroy(scratch);
    return st;
}

static ppq_status unpack(ppq_wire *w, ppq_pbmem *mem, const ppq_site *s, Onnx__ModelProto **out)
{
    Onnx__ModelProto *m = onnx__model_proto__unpack(&mem->allocator, w->size, w->bytes);
    if (!m)
        return ppq_site_fail(s, PPQ_ERR_NOMEM, "it cannot be unpacked within %zu bytes of memory",
                             mem->limit);
    ppq_wire_drop_bytes(w);
    restore_graph(w, m->graph ? m->graph : &(Onnx__GraphProto) ONNX__GRAPH_PROTO__INIT);
    *out = m;
    return PPQ_OK;
}

static ppq_status parse_mapping(const ppq_mapping *map, const char *dir, const char *source,
                                ppq_graph **out, ppq_diag *d)
{
    const ppq_site s = { .source = source, .diag = d };
    if (!map->size)
        return ppq_site_fail(&s, PPQ_ERR_MODEL, "not an ONNX model: it is empty");
    if (map->size > PPQ_WIRE_MAX_SIZE)
        return ppq_site_fail(&s, PPQ_ERR_UNSUPPORTED,
                             "it has %zu bytes, at most %zu are possible (keep weights in external "
                             "data)",
                             map->size, PPQ_WIRE_MAX_SIZE);
    ppq_wire wire;
    PPQ_TRY(ppq_wire_strip(map->data, map->size, &onnx__model_proto__descriptor, source, &wire, d));
    ppq_mapping_forget(map);
    // Far more than any real model needs, far less than a hostile one could ask for.
    ppq_pbmem mem;
    ppq_pbmem_init(&mem, wire.size * 32 + ((size_t) 64 << 20));
    ppq_external *external = ppq_external_create(dir);
    const ppq_tensor_reader reader = { .map = map, .mem = &mem, .external = external };
    ppq_arena *scratch = ppq_arena_create("parse");
    ppq_graph *g = ppq_graph_create();
    g->source = ppq_arena_printf(g->arena, "%s", source);

    Onnx__ModelProto *m;
    ppq_status st = unpack(&wire, &mem, &s, &m);
    if (st == PPQ_OK)
        st = read_model(g, m, &mem, scratch, &s);
    if (st == PPQ_OK) {
        g->had_external_data = has_external_data(m->graph);
        const ppq_build b = { .graph = g, .reader = &reader, .scratch = scratch, .diag = d };
        st = ppq_build_graph(&b, m->graph);
    }
    if (st == PPQ_OK)
        st = check_graph(g, d);
    ppq_arena_destroy(scratch);
    ppq_external_destroy(external);
    ppq_pbmem_fini(&mem);
    ppq_wire_fini(&wire);
    if (st != PPQ_OK) {
        ppq_graph_destroy(g);
        return st;
    }
    *out = g;
    return PPQ_OK;
}

ppq_status ppq_parse_bytes(const void *bytes, size_t n, const char *dir, const char *source_name,
                           ppq_graph **out, ppq_diag *d)
{
    const ppq_mapping map = { .data = bytes, .size = n };
    return parse_mapping(&map, dir, source_name, out, d);
}

static const char *folder_of(ppq_arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return ".";
    return slash == path ? "/" : ppq_arena_printf(a, "%.*s", (int) (slash - path), path);
}

ppq_status ppq_parse_file(const char *path, ppq_graph **out, ppq_diag *d)
{
    ppq_mapping map;
    PPQ_TRY(ppq_mapping_open(path, &map, d));
    ppq_arena *scratch = ppq_arena_create("parse-file");
    const ppq_status st = parse_mapping(&map, folder_of(scratch, path), path, out, d);
    ppq_arena_destroy(scratch);
    ppq_mapping_close(&map);
    return st;
}
