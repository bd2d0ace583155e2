#include "parser/functions.h"

#include <string.h>

#include "core/map.h"
#include "parser/opset.h"

// Functions may call functions this deep.
enum { MAX_CALL_DEPTH = 64 };

struct function {
    const Onnx__FunctionProto *proto;
    bool usable;  // its opsets are the model's
    bool active;  // being expanded
    bool inlined; // at least one call is gone
};

struct inliner {
    Onnx__ModelProto *model;
    ppq_graph *graph;
    ppq_pbmem *mem;
    ppq_arena *a;
    const ppq_site *site;
    struct function *functions;
    ppq_map *by_id; // "domain|name|overload" -> function
    ppq_map *names; // every tensor name in the model
    size_t n_calls, n_clashes;
    int depth;
};

// Names defined by the graphs nested in a body, innermost first.
struct scope {
    ppq_map *names;
    const struct scope *up;
};

// One expansion of one function.
struct call {
    struct inliner *in;
    const Onnx__NodeProto *node;
    const struct function *fn;
    const char *prefix;
    ppq_map *outer; // names of the body -> names in the caller
    ppq_map *inner; // the same for names defined in nested graphs
};

struct node_list {
    Onnx__NodeProto **v;
    size_t n, cap;
};

static char *mut(const char *s)
{
    return (char *) (uintptr_t) s;
}

static const char *text(const char *s)
{
    return s ? s : "";
}

static const char *id_of(const struct inliner *in, const char *domain, const char *name,
                         const char *overload)
{
    const char *d = text(domain);
    return ppq_arena_printf(in->a, "%s|%s|%s", strcmp(d, "ai.onnx") == 0 ? "" : d, text(name),
                            text(overload));
}

static struct function *find(const struct inliner *in, const Onnx__NodeProto *n)
{
    // The id is only made when there is something to find.
    return in->model->n_functions
               ? ppq_map_get(in->by_id, id_of(in, n->domain, n->op_type, n->overload))
               : NULL;
}

static void append(struct inliner *in, struct node_list *l, Onnx__NodeProto *n)
{
    if (l->n == l->cap) {
        l->cap = 2 * l->cap + 16;
        Onnx__NodeProto **more = ppq_new_n(in->a, Onnx__NodeProto *, l->cap);
        if (l->n)
            memcpy(more, l->v, l->n * sizeof(*more));
        l->v = more;
    }
    l->v[l->n++] = n;
}

// Copies any message within the memory limit; NULL beyond.
static void *copy_message(struct inliner *in, const ProtobufCMessage *m)
{
    const size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = ppq_pbmem_alloc(in->mem, n);
    if (!bytes)
        return NULL;
    protobuf_c_message_pack(m, bytes);
    return protobuf_c_message_unpack(m->descriptor, &in->mem->allocator, n, bytes);
}

static ppq_status too_large(const struct inliner *in)
{
    return ppq_site_fail(in->site, PPQ_ERR_NOMEM,
                         "its functions expand to more than %zu bytes of nodes", in->mem->limit);
}

// ---- names ----------------------------------------------------------------------------------

static void take_name(const struct inliner *in, char *name)
{
    if (name && name[0])
        ppq_map_set(in->names, name, name);
}

static void collect_names(const struct inliner *in, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_input; i++)
        take_name(in, g->input[i]->name);
    for (size_t i = 0; i < g->n_initializer; i++)
        take_name(in, g->initializer[i]->name);
    for (size_t i = 0; i < g->n_sparse_initializer; i++)
        if (g->sparse_initializer[i]->values)
            take_name(in, g->sparse_initializer[i]->values->name);
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *n = g->node[i];
        for (size_t k = 0; k < n->n_output; k++)
            take_name(in, n->output[k]);
        for (size_t k = 0; k < n->n_attribute; k++) {
            if (n->attribute[k]->g)
                collect_names(in, n->attribute[k]->g);
            for (size_t j = 0; j < n->attribute[k]->n_graphs; j++)
                collect_names(in, n->attribute[k]->graphs[j]);
        }
    }
}

// Names are cut, or long ones would grow without bound through nested calls.
static char *join(const struct inliner *in, const char *prefix, const char *name)
{
    return ppq_arena_printf(in->a, "%.120s/%.120s", prefix, name);
}

static char *fresh_name(const struct call *c, const char *name)
{
    char *want = join(c->in, c->prefix, name);
    while (ppq_map_get(c->in->names, want))
        want = ppq_arena_printf(c->in->a, "%.120s/%.120s_%zu", c->prefix, name, c->in->n_clashes++);
    take_name(c->in, want);
    return want;
}

static char *rename_name(const struct call *c, const struct scope *scope, const char *name)
{
    if (!text(name)[0])
        return mut(name);
    ppq_map *map = c->outer;
    for (; scope; scope = scope->up)
        if (ppq_map_get(scope->names, name))
            map = c->inner;
    char *to = ppq_map_get(map, name);
    if (!to) {
        to = fresh_name(c, name);
        ppq_map_set(map, ppq_arena_printf(c->in->a, "%s", name), to);
    }
    return to;
}

// ---- bodies ---------------------------------------------------------------------------------

static const Onnx__AttributeProto *find_attr(Onnx__AttributeProto *const *attrs, size_t n,
                                             const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(text(attrs[i]->name), name) == 0)
            return attrs[i];
    return NULL;
}

static ppq_status rename_node(const struct call *c, const struct scope *scope, Onnx__NodeProto *n);

static ppq_status rename_graph(const struct call *c, const struct scope *up, Onnx__GraphProto *g)
{
    const struct scope scope = { ppq_map_create(), up };
    struct inliner local = { .names = scope.names };
    collect_names(&local, g);
    for (size_t i = 0; i < g->n_input; i++)
        g->input[i]->name = rename_name(c, &scope, g->input[i]->name);
    for (size_t i = 0; i < g->n_initializer; i++)
        g->initializer[i]->name = rename_name(c, &scope, g->initializer[i]->name);
    for (size_t i = 0; i < g->n_sparse_initializer; i++)
        if (g->sparse_initializer[i]->values)
            g->sparse_initializer[i]->values->name =
                rename_name(c, &scope, g->sparse_initializer[i]->values->name);
    ppq_status st = PPQ_OK;
    for (size_t i = 0; i < g->n_node && st == PPQ_OK; i++)
        st = rename_node(c, &scope, g->node[i]);
    for (size_t i = 0; i < g->n_output; i++)
        g->output[i]->name = rename_name(c, &scope, g->output[i]->name);
    for (size_t i = 0; i < g->n_value_info; i++)
        g->value_info[i]->name = rename_name(c, &scope, g->value_info[i]->name);
    ppq_map_destroy(scope.names);
    return st;
}

// An attribute that refers to one of the call becomes that one, under its own name; a reference
// to nothing disappears (*out NULL), as if the attribute were not there.
static ppq_status resolve_attr(const struct call *c, Onnx__AttributeProto *a,
                               Onnx__AttributeProto **out)
{
    *out = a;
    if (!text(a->ref_attr_name)[0])
        return PPQ_OK;
    const Onnx__AttributeProto *value =
        find_attr(c->node->attribute, c->node->n_attribute, a->ref_attr_name);
    if (!value)
        value = find_attr(c->fn->proto->attribute_proto, c->fn->proto->n_attribute_proto,
                          a->ref_attr_name);
    if (!value) {
        *out = NULL;
        return PPQ_OK;
    }
    Onnx__AttributeProto *copy = copy_message(c->in, &value->base);
    if (!copy)
        return too_large(c->in);
    copy->name = a->name;
    *out = copy;
    return PPQ_OK;
}

static ppq_status rename_node(const struct call *c, const struct scope *scope, Onnx__NodeProto *n)
{
    for (size_t i = 0; i < n->n_input; i++)
        n->input[i] = rename_name(c, scope, n->input[i]);
    for (size_t i = 0; i < n->n_output; i++)
        n->output[i] = rename_name(c, scope, n->output[i]);
    n->name = join(c->in, c->prefix, text(n->name)[0] ? n->name : text(n->op_type));
    size_t kept = 0;
    for (size_t i = 0; i < n->n_attribute; i++) {
        Onnx__AttributeProto *a = n->attribute[i], *value;
        PPQ_TRY(resolve_attr(c, a, &value));
        // Graphs handed over by the call are in the caller's names already.
        if (value == a && a->g)
            PPQ_TRY(rename_graph(c, scope, a->g));
        for (size_t k = 0; value == a && k < a->n_graphs; k++)
            PPQ_TRY(rename_graph(c, scope, a->graphs[k]));
        if (value)
            n->attribute[kept++] = value;
    }
    n->n_attribute = kept;
    return PPQ_OK;
}

static bool opsets_fit(const struct inliner *in, const Onnx__FunctionProto *f)
{
    for (size_t i = 0; i < f->n_opset_import; i++) {
        const int64_t have = ppq_graph_opset(in->graph, ppq_opset_domain(f->opset_import[i]));
        if (have && have != f->opset_import[i]->version)
            return false;
    }
    return true;
}

static ppq_status import_domains(const struct inliner *in, const Onnx__FunctionProto *f)
{
    for (size_t i = 0; i < f->n_opset_import; i++)
        if (!ppq_graph_opset(in->graph, ppq_opset_domain(f->opset_import[i])))
            PPQ_TRY(ppq_opset_import(in->graph, f->opset_import[i], in->site));
    return PPQ_OK;
}

// ---- calls ----------------------------------------------------------------------------------

static ppq_status expand_node(struct inliner *in, Onnx__NodeProto *n, struct node_list *out);

// A formal output that is a formal input, too, or that an earlier one stands for already.
static ppq_status pass_through(struct call *c, const char *from, char *to, struct node_list *out)
{
    Onnx__NodeProto *n = ppq_pbmem_alloc(c->in->mem, sizeof(*n));
    if (!n)
        return too_large(c->in);
    onnx__node_proto__init(n);
    n->op_type = mut("Identity");
    n->name = join(c->in, c->prefix, "Identity");
    n->input = ppq_new(c->in->a, char *);
    n->output = ppq_new(c->in->a, char *);
    n->n_input = n->n_output = 1;
    n->input[0] = mut(from);
    n->output[0] = to;
    append(c->in, out, n);
    return PPQ_OK;
}

static ppq_status bind_formals(struct call *c, struct node_list *out)
{
    const Onnx__FunctionProto *f = c->fn->proto;
    const Onnx__NodeProto *n = c->node;
    if (n->n_input > f->n_input || n->n_output > f->n_output)
        return ppq_site_fail(c->in->site, PPQ_ERR_MODEL,
                             "call '%s' of function '%s' has %zu inputs and %zu outputs, at most "
                             "%zu and %zu are declared",
                             c->prefix, f->name, n->n_input, n->n_output, f->n_input, f->n_output);
    for (size_t i = 0; i < f->n_input; i++)
        if (f->input[i][0])
            ppq_map_set(c->outer, f->input[i], i < n->n_input ? n->input[i] : mut(""));
    for (size_t i = 0; i < n->n_output; i++) {
        if (!f->output[i][0] || !n->output[i][0])
            continue;
        const char *bound = ppq_map_get(c->outer, f->output[i]);
        if (bound)
            PPQ_TRY(pass_through(c, bound, n->output[i], out));
        else
            ppq_map_set(c->outer, f->output[i], n->output[i]);
    }
    return PPQ_OK;
}

static ppq_status expand_body(struct call *c, struct node_list *out)
{
    PPQ_TRY(bind_formals(c, out));
    const Onnx__FunctionProto *f = c->fn->proto;
    for (size_t i = 0; i < f->n_node; i++) {
        Onnx__NodeProto *copy = copy_message(c->in, &f->node[i]->base);
        if (!copy)
            return too_large(c->in);
        PPQ_TRY(rename_node(c, NULL, copy));
        PPQ_TRY(expand_node(c->in, copy, out));
    }
    return PPQ_OK;
}

static ppq_status expand_call(struct inliner *in, const Onnx__NodeProto *n, struct function *fn,
                              struct node_list *out)
{
    if (fn->active || in->depth == MAX_CALL_DEPTH)
        return ppq_site_fail(in->site, PPQ_ERR_MODEL, "function '%s' %s", text(fn->proto->name),
                             fn->active ? "calls itself" : "is called 64 calls deep");
    struct call c = { .in = in, .node = n, .fn = fn };
    c.prefix = text(n->name)[0] ? n->name
                                : ppq_arena_printf(in->a, "%s_%zu", text(n->op_type), in->n_calls);
    c.outer = ppq_map_create();
    c.inner = ppq_map_create();
    in->n_calls++;
    in->depth++;
    fn->active = fn->inlined = true;
    ppq_status st = import_domains(in, fn->proto);
    if (st == PPQ_OK)
        st = expand_body(&c, out);
    fn->active = false;
    in->depth--;
    ppq_map_destroy(c.outer);
    ppq_map_destroy(c.inner);
    return st;
}

static ppq_status expand_graph(struct inliner *in, Onnx__GraphProto *g);

static ppq_status expand_node(struct inliner *in, Onnx__NodeProto *n, struct node_list *out)
{
    struct function *fn = find(in, n);
    // Expanding another function may have imported a domain at a version that does not suit.
    if (fn && fn->usable && opsets_fit(in, fn->proto))
        return expand_call(in, n, fn, out);
    for (size_t i = 0; i < n->n_attribute; i++) {
        if (n->attribute[i]->g)
            PPQ_TRY(expand_graph(in, n->attribute[i]->g));
        for (size_t k = 0; k < n->attribute[i]->n_graphs; k++)
            PPQ_TRY(expand_graph(in, n->attribute[i]->graphs[k]));
    }
    append(in, out, n);
    return PPQ_OK;
}

static ppq_status expand_graph(struct inliner *in, Onnx__GraphProto *g)
{
    struct node_list out = { 0 };
    for (size_t i = 0; i < g->n_node; i++)
        PPQ_TRY(expand_node(in, g->node[i], &out));
    g->node = out.v;
    g->n_node = out.n;
    return PPQ_OK;
}

// ---- functions ------------------------------------------------------------------------------

static ppq_status index_functions(struct inliner *in)
{
    const Onnx__ModelProto *m = in->model;
    in->functions = ppq_new_n(in->a, struct function, m->n_functions);
    for (size_t i = 0; i < m->n_functions; i++) {
        const Onnx__FunctionProto *f = m->functions[i];
        struct function *fn = &in->functions[i];
        fn->proto = f;
        if (!text(f->name)[0])
            return ppq_site_fail(in->site, PPQ_ERR_MODEL, "function %zu has no name", i);
        const char *id = id_of(in, f->domain, f->name, f->overload);
        if (ppq_map_get(in->by_id, id))
            return ppq_site_fail(in->site, PPQ_ERR_MODEL, "function '%s' is defined twice",
                                 f->name);
        ppq_map_set(in->by_id, id, fn);
        fn->usable = opsets_fit(in, f);
        if (!fn->usable)
            ppq_site_warn(in->site,
                          "function '%s' is written for other opsets than the model and is kept "
                          "as it is",
                          f->name);
    }
    return PPQ_OK;
}

// Kept: what was never called, and everything when something that stays may still call it.
static void drop_inlined(const struct inliner *in)
{
    Onnx__ModelProto *m = in->model;
    bool all = m->n_training_info > 0;
    for (size_t i = 0; i < m->n_functions; i++)
        all |= !in->functions[i].inlined && in->functions[i].proto->n_node;
    size_t kept = 0;
    for (size_t i = 0; i < m->n_functions; i++)
        if (all || !in->functions[i].inlined)
            m->functions[kept++] = m->functions[i];
    m->n_functions = kept;
}

ppq_status ppq_inline_functions(Onnx__ModelProto *m, ppq_graph *g, ppq_pbmem *mem, ppq_arena *a,
                                const ppq_site *s)
{
    if (!m->n_functions)
        return PPQ_OK;
    struct inliner in = { .model = m,
                          .graph = g,
                          .mem = mem,
                          .a = a,
                          .site = s,
                          .by_id = ppq_map_create(),
                          .names = ppq_map_create() };
    ppq_status st = index_functions(&in);
    if (st == PPQ_OK) {
        collect_names(&in, m->graph);
        st = expand_graph(&in, m->graph);
    }
    if (st == PPQ_OK)
        drop_inlined(&in);
    ppq_map_destroy(in.by_id);
    ppq_map_destroy(in.names);
    return st;
}
