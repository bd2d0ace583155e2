#include "parser/nested.h"

#include <string.h>

#include "core/map.h"
#include "parser/build.h"
#include "parser/encode.h"
#include "parser/subgraph.h"

static ppq_status broken(const ppq_op *op, const char *attr, ppq_diag *d)
{
    return ppq_fail(d, PPQ_ERR_STATE, (ppq_loc){ .stage = "parse", .op = op->name },
                    "attribute '%s' of op '%s' is no serialized attribute", attr, op->name);
}

static Onnx__AttributeProto *unpack_attr(const ppq_attr *a, ppq_pbmem *mem)
{
    return onnx__attribute_proto__unpack(&mem->allocator, a->u.raw.size, a->u.raw.data);
}

// The slot that holds graph number `index`, NULL when there is none.
static Onnx__GraphProto **graph_slot(Onnx__AttributeProto *a, size_t index)
{
    if (index < a->n_graphs)
        return &a->graphs[index];
    return index == 0 && a->g ? &a->g : NULL;
}

static ppq_status unpack_attrs(const ppq_op *op, ppq_pbmem *mem, ppq_arena *a,
                               Onnx__AttributeProto ***attrs, size_t *n, ppq_diag *d)
{
    *attrs = ppq_new_n(a, Onnx__AttributeProto *, (size_t) op->n_attrs);
    *n = 0;
    for (int32_t i = 0; i < op->n_attrs; i++) {
        if (op->attrs[i].kind != PPQ_ATTR_RAW)
            continue;
        Onnx__AttributeProto *p = unpack_attr(&op->attrs[i], mem);
        if (!p)
            return broken(op, op->attrs[i].name, d);
        (*attrs)[(*n)++] = p;
    }
    return PPQ_OK;
}

ppq_status ppq_nested_captures(const ppq_op *op, ppq_arena *a, const char ***names, size_t *n,
                               ppq_diag *d)
{
    ppq_pbmem mem;
    ppq_pbmem_init(&mem, SIZE_MAX / 2);
    Onnx__AttributeProto **attrs;
    size_t n_attrs;
    const ppq_status st = unpack_attrs(op, &mem, a, &attrs, &n_attrs, d);
    if (st == PPQ_OK) {
        ppq_captures(attrs, n_attrs, a, names, n);
        for (size_t i = 0; i < *n; i++)
            (*names)[i] = ppq_arena_printf(a, "%s", (*names)[i]);
    }
    ppq_pbmem_fini(&mem);
    return st;
}

static int32_t count_formal(const ppq_graph *g, const Onnx__GraphProto *p)
{
    int32_t n = 0;
    for (size_t i = 0; i < p->n_input; i++)
        n += !ppq_var_is_const(ppq_graph_find_var(g, p->input[i]->name));
    return n;
}

static ppq_status build(const ppq_graph *outer, Onnx__GraphProto *p, ppq_pbmem *mem,
                        ppq_nested *out, ppq_diag *d)
{
    ppq_graph *g = ppq_graph_create();
    g->source = ppq_arena_printf(g->arena, "%s", outer->source);
    g->ir_version = outer->ir_version;
    for (int32_t i = 0; i < outer->n_opsets; i++)
        ppq_graph_set_opset(g, outer->opsets[i].domain, outer->opsets[i].version);
    // No files: external data was brought in when the outer graph was read.
    ppq_external *none = ppq_external_create(NULL);
    const ppq_tensor_reader reader = { .mem = mem, .external = none };
    ppq_arena *scratch = ppq_arena_create("nested");
    const ppq_build b = {
        .graph = g, .reader = &reader, .scratch = scratch, .nested = true, .diag = d
    };
    const ppq_status st = ppq_build_graph(&b, p);
    ppq_arena_destroy(scratch);
    ppq_external_destroy(none);
    if (st == PPQ_OK)
        *out = (ppq_nested){ g, count_formal(g, p) };
    else
        ppq_graph_destroy(g);
    return st;
}

ppq_status ppq_nested_parse(const ppq_graph *outer, const ppq_op *op, const char *attr,
                            size_t index, ppq_nested *out, ppq_diag *d)
{
    const ppq_attr *a = ppq_op_attr(op, attr);
    if (!a || a->kind != PPQ_ATTR_RAW)
        return PPQ_ERR_ARG;
    ppq_pbmem mem;
    ppq_pbmem_init(&mem, SIZE_MAX / 2);
    Onnx__AttributeProto *p = unpack_attr(a, &mem);
    Onnx__GraphProto **slot = p ? graph_slot(p, index) : NULL;
    ppq_status st = p ? PPQ_ERR_ARG : broken(op, attr, d);
    if (slot)
        st = build(outer, *slot, &mem, out, d);
    ppq_pbmem_fini(&mem);
    return st;
}

// Binds the implicit inputs to the names that are captured now.
static ppq_status rebind(ppq_graph *g, ppq_op *op, ppq_arena *scratch, const char **before,
                         size_t n_before, ppq_diag *d)
{
    const char **now;
    size_t n_now;
    PPQ_TRY(ppq_nested_captures(op, scratch, &now, &n_now, d));
    ppq_map *vars = ppq_map_create();
    for (size_t i = 0; i < n_before; i++)
        ppq_map_set(vars, before[i], op->in[op->n_in + (int32_t) i]);
    ppq_var **bound = ppq_new_n(scratch, ppq_var *, n_now);
    const char *missing = NULL;
    for (size_t i = 0; i < n_now; i++) {
        bound[i] = ppq_map_get(vars, now[i]);
        missing = bound[i] ? missing : now[i];
    }
    ppq_map_destroy(vars);
    if (missing || n_now > n_before)
        return ppq_fail(d, PPQ_ERR_STATE, (ppq_loc){ .stage = "parse", .op = op->name },
                        "a subgraph of op '%s' reads tensor '%s', which it did not read before",
                        op->name, missing ? missing : now[n_before]);
    for (size_t i = 0; i < n_before; i++)
        ppq_graph_set_input(g, op, op->n_in + (int32_t) i, NULL);
    for (size_t i = 0; i < n_now; i++)
        ppq_graph_set_input(g, op, op->n_in + (int32_t) i, bound[i]);
    op->n_implicit = (int32_t) n_now;
    return PPQ_OK;
}

static ppq_status replace(ppq_graph *outer, ppq_op *op, ppq_attr *a, size_t index,
                          const ppq_nested *nested, ppq_arena *scratch, ppq_pbmem *mem, ppq_diag *d)
{
    const char **before;
    size_t n_before;
    PPQ_TRY(ppq_nested_captures(op, scratch, &before, &n_before, d));
    Onnx__AttributeProto *p = unpack_attr(a, mem);
    Onnx__GraphProto **slot = p ? graph_slot(p, index) : NULL;
    if (!slot || n_before != (size_t) op->n_implicit)
        return broken(op, a->name, d);
    ppq_blob bytes;
    PPQ_TRY(ppq_encode_subgraph(nested->graph, nested->n_formal, scratch, &bytes, d));
    *slot = onnx__graph_proto__unpack(&mem->allocator, bytes.size, bytes.data);
    if (!*slot)
        return broken(op, a->name, d);
    a->u.raw = ppq_pack_blob(outer->arena, &p->base);
    return rebind(outer, op, scratch, before, n_before, d);
}

ppq_status ppq_nested_replace(ppq_graph *outer, ppq_op *op, const char *attr, size_t index,
                              const ppq_nested *nested, ppq_diag *d)
{
    ppq_attr *a = (ppq_attr *) (uintptr_t) ppq_op_attr(op, attr);
    if (!a || a->kind != PPQ_ATTR_RAW)
        return PPQ_ERR_ARG;
    ppq_arena *scratch = ppq_arena_create("nested");
    ppq_pbmem mem;
    ppq_pbmem_init(&mem, SIZE_MAX / 2);
    const ppq_status st = replace(outer, op, a, index, nested, scratch, &mem, d);
    ppq_pbmem_fini(&mem);
    ppq_arena_destroy(scratch);
    return st;
}
