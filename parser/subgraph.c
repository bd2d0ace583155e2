#include "parser/subgraph.h"

#include <string.h>

#include "core/map.h"

// Names a graph defines, on top of those of the graphs around it.
struct scope {
    ppq_map *names;
    const struct scope *up;
};

struct visit {
    ppq_capture_fn fn;
    void *user;
};

static void define(ppq_map *names, char *name)
{
    if (name && name[0])
        ppq_map_set(names, name, name);
}

static void define_all(ppq_map *names, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_input; i++)
        define(names, g->input[i]->name);
    for (size_t i = 0; i < g->n_initializer; i++)
        define(names, g->initializer[i]->name);
    for (size_t i = 0; i < g->n_sparse_initializer; i++)
        if (g->sparse_initializer[i]->values)
            define(names, g->sparse_initializer[i]->values->name);
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_output; k++)
            define(names, g->node[i]->output[k]);
}

static void visit_name(const struct visit *v, const struct scope *scope, char **name)
{
    if (!*name || !(*name)[0])
        return;
    for (; scope; scope = scope->up)
        if (ppq_map_get(scope->names, *name))
            return;
    v->fn(v->user, name);
}

static void visit_attrs(const struct visit *v, const struct scope *scope,
                        Onnx__AttributeProto *const *attrs, size_t n);

static void visit_graph(const struct visit *v, const struct scope *up, const Onnx__GraphProto *g)
{
    const struct scope scope = { ppq_map_create(), up };
    define_all(scope.names, g);
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *node = g->node[i];
        for (size_t k = 0; k < node->n_input; k++)
            visit_name(v, &scope, &node->input[k]);
        visit_attrs(v, &scope, node->attribute, node->n_attribute);
    }
    for (size_t i = 0; i < g->n_output; i++)
        visit_name(v, &scope, &g->output[i]->name);
    ppq_map_destroy(scope.names);
}

static void visit_attrs(const struct visit *v, const struct scope *scope,
                        Onnx__AttributeProto *const *attrs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (attrs[i]->g)
            visit_graph(v, scope, attrs[i]->g);
        for (size_t k = 0; k < attrs[i]->n_graphs; k++)
            visit_graph(v, scope, attrs[i]->graphs[k]);
    }
}

void ppq_captures_visit(Onnx__AttributeProto *const *attrs, size_t n_attrs, ppq_capture_fn fn,
                        void *user)
{
    visit_attrs(&(struct visit){ fn, user }, NULL, attrs, n_attrs);
}

struct collect {
    ppq_arena *arena;
    ppq_map *seen;
    const char **names;
    size_t n, cap;
};

static void collect_name(void *user, char **name)
{
    struct collect *c = user;
    if (ppq_map_get(c->seen, *name))
        return;
    ppq_map_set(c->seen, *name, *name);
    if (c->n == c->cap) {
        c->cap = 2 * c->cap + 8;
        const char **more = ppq_new_n(c->arena, const char *, c->cap);
        if (c->n)
            memcpy(more, c->names, c->n * sizeof(*more));
        c->names = more;
    }
    c->names[c->n++] = *name;
}

void ppq_captures(Onnx__AttributeProto *const *attrs, size_t n_attrs, ppq_arena *a,
                  const char ***names, size_t *n_names)
{
    *names = NULL;
    *n_names = 0;
    if (!n_attrs)
        return;
    struct collect c = { .arena = a, .seen = ppq_map_create() };
    ppq_captures_visit(attrs, n_attrs, collect_name, &c);
    ppq_map_destroy(c.seen);
    *names = c.names;
    *n_names = c.n;
}

static bool attrs_define(Onnx__AttributeProto *const *attrs, size_t n, const char *name);

static bool graph_defines(const Onnx__GraphProto *g, const char *name)
{
    ppq_map *names = ppq_map_create();
    define_all(names, g);
    bool found = ppq_map_get(names, name) != NULL;
    ppq_map_destroy(names);
    for (size_t i = 0; i < g->n_node && !found; i++)
        found = attrs_define(g->node[i]->attribute, g->node[i]->n_attribute, name);
    return found;
}

static bool attrs_define(Onnx__AttributeProto *const *attrs, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (attrs[i]->g && graph_defines(attrs[i]->g, name))
            return true;
        for (size_t k = 0; k < attrs[i]->n_graphs; k++)
            if (graph_defines(attrs[i]->graphs[k], name))
                return true;
    }
    return false;
}

bool ppq_subgraphs_define(Onnx__AttributeProto *const *attrs, size_t n_attrs, const char *name)
{
    return attrs_define(attrs, n_attrs, name);
}
