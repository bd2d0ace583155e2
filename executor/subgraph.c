#include "executor/subgraph.h"

#include <stdlib.h>
#include <string.h>

#include "parser/nested.h"

struct ppq_subgraph {
    const char *attr;
    ppq_graph *graph;
    ppq_exec *exec;
    int32_t n_formal;
    int32_t *capture; // per input behind the formal ones: which of the op's implicit inputs it is
};

struct ppq_subgraphs {
    ppq_arena *arena;
    ppq_subgraph *list;
    size_t n;
};

bool ppq_subgraphs_any(const ppq_op *op)
{
    for (int32_t i = 0; i < op->n_attrs; i++)
        if (op->attrs[i].kind == PPQ_ATTR_RAW)
            return true;
    return false;
}

static ppq_status bind_captures(const ppq_op *op, ppq_arena *a, ppq_subgraph *s, ppq_diag *d)
{
    const char **names;
    size_t n;
    PPQ_TRY(ppq_nested_captures(op, a, &names, &n, d));
    const int32_t n_captured = s->graph->n_inputs - s->n_formal;
    s->capture = ppq_new_n(a, int32_t, (size_t) n_captured + 1);
    for (int32_t i = 0; i < n_captured; i++) {
        const char *name = s->graph->inputs[s->n_formal + i]->name;
        size_t k = 0;
        while (k < n && strcmp(names[k], name) != 0)
            k++;
        if (k >= PPQ_MIN(n, (size_t) op->n_implicit))
            return ppq_fail(d, PPQ_ERR_MODEL, (ppq_loc){ .stage = "run", .op = op->name },
                            "%s: graph '%s' reads '%s', which is not defined around it", op->type,
                            s->attr, name);
        s->capture[i] = (int32_t) k;
    }
    return PPQ_OK;
}

// ---- constants ------------------------------------------------------------------------------

// What is constant around the op is constant inside: it is bound once and not fed any more.
static void bind_constants(const ppq_op *op, ppq_subgraph *s)
{
    ppq_graph *g = s->graph;
    int32_t kept = s->n_formal;
    for (int32_t i = s->n_formal; i < g->n_inputs; i++) {
        const int32_t from = s->capture[i - s->n_formal];
        const ppq_var *outer = op->in[op->n_in + from];
        ppq_var *v = g->inputs[i];
        if (outer && ppq_var_is_const(outer)) {
            ppq_tensor t = ppq_tensor_ref(&outer->value);
            v->is_input = false;
            ppq_var_set_value(v, &t);
            continue;
        }
        s->capture[kept - s->n_formal] = from;
        g->inputs[kept++] = v;
    }
    g->n_inputs = kept;
}

static ppq_status fold_constants(ppq_graph *g, ppq_diag *d)
{
    enum { MOST = 1 << 20 }; // bytes of one result
    ppq_arena *a = ppq_arena_create("fold");
    ppq_diag *quiet = ppq_diag_create(NULL, NULL);
    ppq_op **order;
    size_t n;
    const ppq_status st = ppq_graph_topo(g, a, &order, &n, d);
    for (size_t i = 0; st == PPQ_OK && i < n; i++)
        if (ppq_op_is_foldable(order[i]) && ppq_op_fold(g, order[i], MOST, quiet) != PPQ_OK)
            continue; // it may be an op that never runs: it stays
    ppq_diag_destroy(quiet);
    ppq_arena_destroy(a);
    if (st == PPQ_OK)
        ppq_graph_compact(g);
    return st;
}

static ppq_status open_subgraph(const ppq_graph *outer, const ppq_op *op, const ppq_exec_opts *o,
                                ppq_arena *a, ppq_subgraph *s, ppq_diag *d)
{
    ppq_nested nested;
    PPQ_TRY(ppq_nested_parse(outer, op, s->attr, 0, &nested, d));
    s->graph = nested.graph;
    s->n_formal = nested.n_formal;
    // What is carried through a loop may change its shape, whatever the first round is declared as.
    for (int32_t i = 0; i < s->graph->n_inputs; i++)
        s->graph->inputs[i]->shape.rank = -1;
    PPQ_TRY(bind_captures(op, a, s, d));
    if (!o->reference) {
        bind_constants(op, s);
        PPQ_TRY(fold_constants(s->graph, d));
    }
    const ppq_exec_opts nested_opts = { .mode = PPQ_EXEC_FLOAT,
                                        .reference = o->reference,
                                        .n_threads = o->n_threads };
    return ppq_exec_create(s->graph, &nested_opts, &s->exec, d);
}

ppq_status ppq_subgraphs_create(const ppq_graph *outer, const ppq_op *op, const ppq_exec_opts *o,
                                ppq_subgraphs **out, ppq_diag *d)
{
    ppq_arena *arena = ppq_arena_create("subgraphs");
    ppq_subgraphs *all = ppq_new(arena, ppq_subgraphs);
    all->arena = arena;
    all->list = ppq_new_n(arena, ppq_subgraph, (size_t) op->n_attrs + 1);
    for (int32_t i = 0; i < op->n_attrs; i++) {
        if (op->attrs[i].kind != PPQ_ATTR_RAW)
            continue;
        ppq_subgraph *s = &all->list[all->n++];
        s->attr = op->attrs[i].name;
        const ppq_status st = open_subgraph(outer, op, o, arena, s, d);
        if (st == PPQ_ERR_ARG && !s->graph) { // no graph but a sparse tensor or a type
            all->n--;
        } else if (st != PPQ_OK) {
            ppq_subgraphs_destroy(all);
            return st;
        }
    }
    *out = all;
    return PPQ_OK;
}

void ppq_subgraphs_destroy(ppq_subgraphs *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < all->n; i++) {
        ppq_exec_destroy(all->list[i].exec);
        ppq_graph_destroy(all->list[i].graph);
    }
    ppq_arena_destroy(all->arena);
}

ppq_status ppq_subgraph_find(ppq_kernel_ctx *c, const char *attr, const ppq_subgraph **out)
{
    const ppq_subgraphs *all = c->subgraphs;
    if (!all)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "its graph '%s' needs an executor", attr);
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->list[i].attr, attr) == 0) {
            *out = &all->list[i];
            return PPQ_OK;
        }
    return ppq_kernel_fail(c, PPQ_ERR_MODEL, "it has no graph '%s'", attr);
}

int32_t ppq_subgraph_n_in(const ppq_subgraph *s)
{
    return s->n_formal;
}

int32_t ppq_subgraph_n_out(const ppq_subgraph *s)
{
    return s->graph->n_outputs;
}

const ppq_var *ppq_subgraph_output(const ppq_subgraph *s, int32_t i)
{
    return s->graph->outputs[i];
}

ppq_status ppq_subgraph_run(ppq_kernel_ctx *c, const ppq_subgraph *s, const ppq_tensor *in,
                            ppq_tensor *out)
{
    const int32_t n = s->graph->n_inputs;
    ppq_tensor *feeds = ppq_new_n(c->scratch, ppq_tensor, (size_t) n + 1); // all borrowed
    for (int32_t i = 0; i < n; i++) {
        const ppq_tensor *t = i < s->n_formal ? &in[i] : c->captured[s->capture[i - s->n_formal]];
        if (t)
            feeds[i] = *t;
    }
    return ppq_exec_run(s->exec, feeds, out, NULL, c->diag);
}
