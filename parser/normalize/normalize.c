#include "parser/normalize/normalize.h"

#include <assert.h>
#include <string.h>

#include "core/map.h"
#include "core/op_def.h"
#include "parser/nested.h"
#include "parser/normalize/rule.h"

struct fact {
    ppq_shape shape;
    ppq_dtype dtype;
    bool known;
};

struct ppq_normalizer {
    ppq_graph *graph;
    const char *prefix; // of new names: tensors of a subgraph must not hide those around it
    int64_t opset;
    bool only_f32; // no other float type occurs, so a float of unknown type is a float32
    ppq_arena *arena;
    struct fact *facts; // by var id, what inference added to the declarations
    size_t n_facts;
    size_t n_rewritten;
    ppq_diag *diag;
};

ppq_graph *ppq_normalizer_graph(const ppq_normalizer *n)
{
    return n->graph;
}

const char *ppq_normalizer_prefix(const ppq_normalizer *n)
{
    return n->prefix;
}

int64_t ppq_normalizer_opset(const ppq_normalizer *n)
{
    return n->opset;
}

ppq_site ppq_normalizer_site(const ppq_normalizer *n, const ppq_op *op)
{
    return (ppq_site){ .source = n->graph->source, .op = op->name, .diag = n->diag };
}

// ---- what is known about tensors ------------------------------------------------------------

static const struct fact *fact_of(const ppq_normalizer *n, const ppq_var *v)
{
    return v->id < n->n_facts && n->facts[v->id].known ? &n->facts[v->id] : NULL;
}

ppq_shape ppq_normalizer_shape(const ppq_normalizer *n, const ppq_var *v)
{
    const struct fact *f = fact_of(n, v);
    return f && f->shape.rank >= 0 && !ppq_shape_known(&v->shape) ? f->shape : v->shape;
}

static ppq_dtype known_dtype(const ppq_normalizer *n, const ppq_var *v)
{
    const struct fact *f = fact_of(n, v);
    return v->dtype || !f ? v->dtype : f->dtype;
}

ppq_dtype ppq_normalizer_float(const ppq_normalizer *n, const ppq_var *v)
{
    const ppq_dtype dtype = known_dtype(n, v);
    return dtype || !n->only_f32 ? dtype : PPQ_DT_F32;
}

static void learn(ppq_normalizer *n, const ppq_var *v, const ppq_shape *shape, ppq_dtype dtype)
{
    if (v->id >= n->n_facts) {
        const size_t cap = PPQ_MAX(2 * n->n_facts, n->graph->n_vars + 64);
        struct fact *more = ppq_new_n(n->arena, struct fact, cap);
        if (n->n_facts)
            memcpy(more, n->facts, n->n_facts * sizeof(*more));
        n->facts = more;
        n->n_facts = cap;
    }
    n->facts[v->id] = (struct fact){ *shape, dtype, true };
}

// Shapes and types of an op's outputs, as far as its definition can tell. Best effort: a failure
// here is for whoever runs the op to report.
static void infer(ppq_normalizer *n, const ppq_op *op, ppq_arena *scratch, ppq_diag *quiet)
{
    if (!op->def || !op->def->infer || op->n_in < op->def->in_min || op->n_out < op->def->out_min)
        return;
    // Room for the optional slots a definition may look at beyond those the op has.
    enum { SPARE = 16 };
    const size_t n_in = (size_t) op->n_in, n_out = (size_t) op->n_out;
    const ppq_tensor **value = ppq_new_n(scratch, const ppq_tensor *, n_in + SPARE);
    ppq_shape *in_shape = ppq_new_n(scratch, ppq_shape, n_in + SPARE);
    ppq_dtype *in_dtype = ppq_new_n(scratch, ppq_dtype, n_in + SPARE);
    bool *has_in = ppq_new_n(scratch, bool, n_in + SPARE);
    ppq_shape *out_shape = ppq_new_n(scratch, ppq_shape, n_out + SPARE);
    ppq_dtype *out_dtype = ppq_new_n(scratch, ppq_dtype, n_out + SPARE);
    for (size_t i = 0; i < n_in + SPARE; i++) {
        const ppq_var *v = i < n_in ? op->in[i] : NULL;
        has_in[i] = v != NULL;
        in_shape[i] = v ? ppq_normalizer_shape(n, v) : (ppq_shape){ .rank = -1 };
        in_dtype[i] = v ? known_dtype(n, v) : PPQ_DT_NONE;
        value[i] = ppq_var_is_const(v) ? &v->value : NULL;
    }
    for (size_t i = 0; i < n_out + SPARE; i++)
        out_shape[i].rank = -1;
    ppq_infer_ctx c = { .op = op,
                        .opset = PPQ_NORMAL_OPSET,
                        .in_value = value,
                        .in_shape = in_shape,
                        .in_dtype = in_dtype,
                        .has_in = has_in,
                        .out_shape = out_shape,
                        .out_dtype = out_dtype,
                        .diag = quiet };
    if (op->def->infer(&c) != PPQ_OK)
        return;
    for (size_t i = 0; i < n_out; i++)
        if (op->out[i])
            learn(n, op->out[i], &out_shape[i], out_dtype[i]);
}

static bool other_float(ppq_dtype dt)
{
    return ppq_dtype_is_float(dt) && dt != PPQ_DT_F32;
}

static bool uses_only_f32(const ppq_graph *g)
{
    for (size_t i = 0; i < g->n_vars; i++)
        if (other_float(g->vars[i]->dtype))
            return false;
    for (size_t i = 0; i < g->n_ops; i++) {
        const int64_t to = ppq_op_attr_int(g->ops[i], "to", PPQ_DT_NONE);
        const int64_t dtype = ppq_op_attr_int(g->ops[i], "dtype", PPQ_DT_NONE);
        if (other_float((ppq_dtype) to) || other_float((ppq_dtype) dtype))
            return false;
    }
    return true;
}

// ---- one graph ------------------------------------------------------------------------------

static bool rule_matches(const ppq_normalize_rule *r, const ppq_op *op, int64_t opset)
{
    if (op->domain[0] || opset >= r->below)
        return false;
    for (const char *const *t = r->op_types; *t; t++)
        if (strcmp(op->type, *t) == 0)
            return true;
    return false;
}

static ppq_status apply_rules(ppq_normalizer *n, ppq_op *op)
{
    ppq_status worst = PPQ_OK;
    for (const ppq_normalize_rule *const *r = ppq_normalize_rules; *r; r++) {
        if (!rule_matches(*r, op, n->opset))
            continue;
        if (op->n_in < 1 || !op->in[0] || op->n_out < 1 || !op->out[0])
            return PPQ_RULE_REFUSE(n, op, "%s has no first input or no first output", op->type);
        n->n_rewritten++;
        const ppq_status st = (*r)->apply(n, op);
        if (st != PPQ_OK && st != PPQ_ERR_UNSUPPORTED)
            return st;
        worst = st != PPQ_OK ? st : worst;
    }
    return worst;
}

static ppq_status normalize_graph(ppq_graph *g, const char *prefix, int64_t opset, bool only_f32,
                                  size_t *n_rewritten, ppq_diag *d);

// What the outer graph knows about captured tensors is all a subgraph knows about them.
static void tell_captured(const ppq_normalizer *n, const ppq_op *op, const char **names,
                          size_t n_names, ppq_graph *inner)
{
    for (size_t i = 0; i < n_names; i++) {
        ppq_var *v = ppq_graph_find_var(inner, names[i]);
        const ppq_var *outer = op->in[op->n_in + (int32_t) i];
        if (!v || !v->is_input || v->dtype || !outer)
            continue;
        v->dtype = known_dtype(n, outer);
        v->shape = ppq_normalizer_shape(n, outer);
    }
}

static ppq_status normalize_nested(ppq_normalizer *n, ppq_op *op, const char *attr, size_t index,
                                   ppq_arena *scratch, bool *done)
{
    ppq_nested nested;
    ppq_status st = ppq_nested_parse(n->graph, op, attr, index, &nested, n->diag);
    *done = st == PPQ_ERR_ARG;
    if (st != PPQ_OK)
        return *done ? PPQ_OK : st;
    const char **names;
    size_t n_names, n_rewritten = 0;
    st = ppq_nested_captures(op, scratch, &names, &n_names, n->diag);
    if (st == PPQ_OK) {
        tell_captured(n, op, names, n_names, nested.graph);
        const char *prefix =
            ppq_arena_printf(scratch, "%s%s/%s_%zu/", n->prefix, op->name, attr, index);
        st = normalize_graph(nested.graph, prefix, n->opset, n->only_f32, &n_rewritten, n->diag);
    }
    if (st == PPQ_OK && n_rewritten) {
        n->n_rewritten += n_rewritten;
        st = ppq_nested_replace(n->graph, op, attr, index, &nested, n->diag);
    }
    ppq_graph_destroy(nested.graph);
    return st;
}

static ppq_status normalize_subgraphs(ppq_normalizer *n, ppq_op *op, ppq_arena *scratch)
{
    ppq_status worst = PPQ_OK;
    for (int32_t i = 0; i < op->n_attrs; i++) {
        if (op->attrs[i].kind != PPQ_ATTR_RAW)
            continue;
        bool done = false;
        for (size_t k = 0; !done; k++) {
            const ppq_status st = normalize_nested(n, op, op->attrs[i].name, k, scratch, &done);
            if (st != PPQ_OK && st != PPQ_ERR_UNSUPPORTED)
                return st;
            worst = st != PPQ_OK ? st : worst;
        }
    }
    return worst;
}

static ppq_status normalize_op(ppq_normalizer *n, ppq_op *op, ppq_arena *scratch, ppq_diag *quiet)
{
    const size_t first_new = n->graph->n_ops;
    const ppq_status st = apply_rules(n, op);
    PPQ_TRY(st);
    PPQ_TRY(normalize_subgraphs(n, op, scratch));
    // Ops a rule inserted stand before or behind this one.
    for (int round = 0; round < 2; round++) {
        for (size_t i = first_new; i < n->graph->n_ops; i++)
            infer(n, n->graph->ops[i], scratch, quiet);
        if (round == 0)
            infer(n, op, scratch, quiet);
    }
    return PPQ_OK;
}

static ppq_status visit_ops(ppq_normalizer *n, ppq_arena *scratch)
{
    ppq_op **ops;
    size_t n_ops;
    PPQ_TRY(ppq_graph_topo(n->graph, scratch, &ops, &n_ops, n->diag));
    ppq_diag *quiet = ppq_diag_create(NULL, NULL);
    ppq_status worst = PPQ_OK;
    for (size_t i = 0; i < n_ops; i++) {
        const ppq_status st = normalize_op(n, ops[i], scratch, quiet);
        worst = st != PPQ_OK ? st : worst;
        if (st != PPQ_OK && st != PPQ_ERR_UNSUPPORTED)
            break;
    }
    ppq_diag_destroy(quiet);
    return worst;
}

static ppq_status normalize_graph(ppq_graph *g, const char *prefix, int64_t opset, bool only_f32,
                                  size_t *n_rewritten, ppq_diag *d)
{
    ppq_normalizer n = { .graph = g,
                         .prefix = prefix,
                         .opset = opset,
                         .only_f32 = only_f32 && uses_only_f32(g),
                         .arena = ppq_arena_create("normalize"),
                         .diag = d };
    const ppq_status st = visit_ops(&n, n.arena);
    ppq_arena_destroy(n.arena);
    *n_rewritten = n.n_rewritten;
    return st;
}

// ---- the model ------------------------------------------------------------------------------

struct unknown {
    const ppq_op *first;
    size_t n;
};

static void warn_unknown(const ppq_graph *g, const struct unknown *u, bool suggest, ppq_diag *d)
{
    const ppq_op *op = u->first;
    const char *near = op->domain[0] || !suggest ? NULL : ppq_op_def_nearest(op->type);
    const ppq_site s = { .source = g->source, .op = op->name, .diag = d };
    ppq_site_warn(&s, "op type '%s%s%s' is not known and is passed through (%zu such op%s)%s%s%s",
                  op->domain, op->domain[0] ? "::" : "", op->type, u->n, u->n == 1 ? "" : "s",
                  near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

// All of them in one go, a message per type.
static void report_unknown(const ppq_graph *g, ppq_diag *d)
{
    ppq_arena *scratch = ppq_arena_create("unknown");
    ppq_map *by_type = ppq_map_create();
    struct unknown *all = ppq_new_n(scratch, struct unknown, g->n_ops + 1);
    size_t n = 0;
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        if (op->dead || op->def)
            continue;
        const char *key = ppq_arena_printf(scratch, "%s::%s", op->domain, op->type);
        struct unknown *u = ppq_map_get(by_type, key);
        if (!u) {
            u = &all[n++];
            u->first = op;
            ppq_map_set(by_type, key, u);
        }
        u->n++;
    }
    // Looking for a similar name takes long; nobody reads a thousand suggestions.
    enum { MAX_SUGGESTIONS = 20 };
    for (size_t i = 0; i < n; i++)
        warn_unknown(g, &all[i], i < MAX_SUGGESTIONS, d);
    ppq_map_destroy(by_type);
    ppq_arena_destroy(scratch);
}

ppq_status ppq_normalize(ppq_graph *g, ppq_diag *d)
{
    const int64_t opset = ppq_graph_opset(g, "");
    if (opset && opset < PPQ_NORMAL_OPSET) {
        size_t n_rewritten;
        PPQ_TRY(normalize_graph(g, "", opset, true, &n_rewritten, d));
        ppq_graph_set_opset(g, "", PPQ_NORMAL_OPSET);
        ppq_graph_compact(g);
    }
    report_unknown(g, d);
    return PPQ_OK;
}
