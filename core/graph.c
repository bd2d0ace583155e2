#include "core/graph.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/map.h"
#include "core/op_def.h"

// Doubles an arena array. The old one stays in the arena: at most as much again.
#define GROW(g, array, n, cap)                                              \
    do {                                                                    \
        if ((size_t) (n) == (size_t) (cap)) {                               \
            const size_t cap_ = (cap) ? 2 * (size_t) (cap) : 8;             \
            void *new_ = ppq_arena_zalloc((g)->arena, cap_, sizeof(*(array)), \
                                          alignof(max_align_t));            \
            if (n)                                                          \
                memcpy(new_, (array), (size_t) (n) * sizeof(*(array)));     \
            (array) = new_;                                                 \
            (cap) = (__typeof__(cap)) cap_;                                 \
        }                                                                   \
    } while (0)

const char *ppq_place_name(ppq_place p)
{
    static const char *const names[PPQ_PLACE_COUNT] = { "unset", "fp32", "soi", "quant" };
    return (unsigned) p < PPQ_PLACE_COUNT ? names[p] : "?";
}

ppq_graph *ppq_graph_create(void)
{
    ppq_arena *a = ppq_arena_create("graph");
    ppq_graph *g = ppq_new(a, ppq_graph);
    g->arena = a;
    g->name = "";
    g->source = "";
    g->ir_version = 8;
    g->op_names = ppq_map_create();
    g->var_names = ppq_map_create();
    return g;
}

static void release_attrs(ppq_op *op)
{
    for (int32_t i = 0; i < op->n_attrs; i++)
        if (op->attrs[i].kind == PPQ_ATTR_TENSOR) {
            ppq_tensor t = *op->attrs[i].u.t;
            ppq_tensor_unref(&t);
        }
    op->n_attrs = 0;
}

void ppq_graph_destroy(ppq_graph *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_vars; i++)
        ppq_tensor_unref(&g->vars[i]->value);
    for (size_t i = 0; i < g->n_ops; i++)
        release_attrs(g->ops[i]);
    ppq_map_destroy(g->op_names);
    ppq_map_destroy(g->var_names);
    ppq_arena_destroy(g->arena);
}

// `want` itself when free, else want_1, want_2, ...
static const char *free_name(ppq_graph *g, const ppq_map *taken, const char *want)
{
    if (!ppq_map_get(taken, want))
        return ppq_arena_printf(g->arena, "%s", want);
    // Galloping keeps a model full of equal names from costing quadratic time.
    char buf[1100];
    uint64_t k = 1;
    for (;; k *= 2) {
        snprintf(buf, sizeof(buf), "%.1000s_%llu", want, (unsigned long long) k);
        if (!ppq_map_get(taken, buf))
            break;
    }
    for (uint64_t lo = k / 2 + 1; lo < k;) {
        const uint64_t mid = lo + (k - lo) / 2;
        snprintf(buf, sizeof(buf), "%.1000s_%llu", want, (unsigned long long) mid);
        if (ppq_map_get(taken, buf))
            lo = mid + 1;
        else
            k = mid;
    }
    return ppq_arena_printf(g->arena, "%.1000s_%llu", want, (unsigned long long) k);
}

ppq_op *ppq_graph_add_op(ppq_graph *g, const char *domain, const char *type, const char *name,
                         int32_t n_in, int32_t n_out)
{
    ppq_op *op = ppq_new(g->arena, ppq_op);
    op->type = ppq_arena_printf(g->arena, "%s", type);
    op->domain = strcmp(domain, "ai.onnx") == 0 ? "" : ppq_arena_printf(g->arena, "%s", domain);
    op->name = free_name(g, g->op_names, name && name[0] ? name : type);
    op->def = ppq_op_def_find(op->domain, op->type);
    op->n_in = n_in;
    op->n_out = n_out;
    op->in = ppq_new_n(g->arena, ppq_var *, (size_t) n_in);
    op->out = ppq_new_n(g->arena, ppq_var *, (size_t) n_out);
    op->id = (uint32_t) g->n_ops;
    op->place_reason = "";
    GROW(g, g->ops, g->n_ops, g->cap_ops);
    g->ops[g->n_ops++] = op;
    ppq_map_set(g->op_names, op->name, op);
    return op;
}

ppq_var *ppq_graph_add_var(ppq_graph *g, const char *name)
{
    ppq_var *v = ppq_new(g->arena, ppq_var);
    v->name = free_name(g, g->var_names, name && name[0] ? name : "tensor");
    v->shape.rank = -1;
    v->id = (uint32_t) g->n_vars;
    GROW(g, g->vars, g->n_vars, g->cap_vars);
    g->vars[g->n_vars++] = v;
    ppq_map_set(g->var_names, v->name, v);
    return v;
}

ppq_var *ppq_graph_add_const(ppq_graph *g, const char *name, ppq_tensor *take_value)
{
    ppq_var *v = ppq_graph_add_var(g, name);
    ppq_var_set_value(v, take_value);
    return v;
}

void ppq_var_set_value(ppq_var *v, ppq_tensor *take_value)
{
    assert(take_value->layout == PPQ_LAYOUT_PLAIN);
    ppq_tensor_unref(&v->value);
    v->value = *take_value;
    v->dtype = take_value->dtype;
    v->shape = take_value->shape;
    *take_value = (ppq_tensor){ 0 };
}

ppq_op *ppq_graph_find_op(const ppq_graph *g, const char *name)
{
    return ppq_map_get(g->op_names, name);
}

ppq_var *ppq_graph_find_var(const ppq_graph *g, const char *name)
{
    return ppq_map_get(g->var_names, name);
}

void ppq_graph_rename_var(ppq_graph *g, ppq_var *v, const char *name)
{
    assert(!ppq_map_get(g->var_names, name));
    ppq_map_set(g->var_names, v->name, NULL);
    v->name = ppq_arena_printf(g->arena, "%s", name);
    ppq_map_set(g->var_names, v->name, v);
}

// From the end: passes that take many uses away do so from there, and stay linear.
static void drop_use(ppq_var *v, const ppq_op *op, int32_t slot)
{
    for (int32_t i = v->n_uses; i-- > 0;)
        if (v->uses[i].op == op && v->uses[i].slot == slot) {
            memmove(&v->uses[i], &v->uses[i + 1],
                    (size_t) (v->n_uses - i - 1) * sizeof(*v->uses));
            v->n_uses--;
            return;
        }
}

void ppq_graph_set_input(ppq_graph *g, ppq_op *op, int32_t slot, ppq_var *v)
{
    assert(slot >= 0 && slot < op->n_in + op->n_implicit);
    if (op->in[slot])
        drop_use(op->in[slot], op, slot);
    op->in[slot] = v;
    if (v) {
        GROW(g, v->uses, v->n_uses, v->cap_uses);
        v->uses[v->n_uses++] = (ppq_use){ op, slot };
    }
}

void ppq_graph_set_output(ppq_graph *g, ppq_op *op, int32_t slot, ppq_var *v)
{
    (void) g;
    assert(slot >= 0 && slot < op->n_out);
    if (op->out[slot])
        op->out[slot]->producer = (ppq_use){ NULL, 0 };
    op->out[slot] = v;
    if (v) {
        assert(!v->producer.op);
        v->producer = (ppq_use){ op, slot };
    }
}

void ppq_graph_resize_inputs(ppq_graph *g, ppq_op *op, int32_t n_in)
{
    const int32_t old = op->n_in, n_imp = op->n_implicit;
    ppq_var **in = ppq_new_n(g->arena, ppq_var *, (size_t) (n_in + n_imp));
    ppq_var **prev = op->in;
    // Implicit slots move, so their uses are made anew.
    for (int32_t k = 0; k < old + n_imp; k++)
        if (prev[k] && k >= PPQ_MIN(old, n_in))
            drop_use(prev[k], op, k);
    memcpy(in, prev, (size_t) PPQ_MIN(old, n_in) * sizeof(*in));
    op->in = in;
    op->n_in = n_in;
    for (int32_t k = 0; k < n_imp; k++)
        ppq_graph_set_input(g, op, n_in + k, prev[old + k]);
}

void ppq_graph_resize_outputs(ppq_graph *g, ppq_op *op, int32_t n_out)
{
    ppq_var **out = ppq_new_n(g->arena, ppq_var *, (size_t) n_out);
    for (int32_t k = n_out; k < op->n_out; k++)
        if (op->out[k])
            op->out[k]->producer = (ppq_use){ NULL, 0 };
    memcpy(out, op->out, (size_t) PPQ_MIN(op->n_out, n_out) * sizeof(*out));
    op->out = out;
    op->n_out = n_out;
}

void ppq_graph_mark_input(ppq_graph *g, ppq_var *v)
{
    GROW(g, g->inputs, g->n_inputs, g->cap_inputs);
    g->inputs[g->n_inputs++] = v;
    v->is_input = true;
}

void ppq_graph_mark_output(ppq_graph *g, ppq_var *v)
{
    GROW(g, g->outputs, g->n_outputs, g->cap_outputs);
    g->outputs[g->n_outputs++] = v;
    v->is_output = true;
}

void ppq_graph_replace_uses(ppq_graph *g, ppq_var *from, ppq_var *to)
{
    assert(from != to);
    for (int32_t i = 0; i < from->n_uses; i++) {
        const ppq_use u = from->uses[i];
        u.op->in[u.slot] = to;
        GROW(g, to->uses, to->n_uses, to->cap_uses);
        to->uses[to->n_uses++] = u;
    }
    from->n_uses = 0;
}

static void kill_var(ppq_graph *g, ppq_var *v)
{
    if (v->dead)
        return;
    v->dead = true;
    ppq_tensor_unref(&v->value);
    ppq_map_set(g->var_names, v->name, NULL);
}

void ppq_graph_remove_op(ppq_graph *g, ppq_op *op)
{
    for (int32_t i = 0; i < op->n_in + op->n_implicit; i++)
        ppq_graph_set_input(g, op, i, NULL);
    for (int32_t i = 0; i < op->n_out; i++) {
        ppq_var *v = op->out[i];
        if (!v)
            continue;
        ppq_graph_set_output(g, op, i, NULL);
        if (!v->n_uses && !v->is_output)
            kill_var(g, v);
    }
    op->dead = true;
    release_attrs(op);
    ppq_map_set(g->op_names, op->name, NULL);
}

bool ppq_graph_bypass_op(ppq_graph *g, ppq_op *op, int32_t in_slot, int32_t out_slot)
{
    ppq_var *src = op->in[in_slot], *dst = op->out[out_slot];
    assert(src && dst);
    if (!dst->is_output) {
        ppq_graph_replace_uses(g, dst, src);
        ppq_graph_remove_op(g, op);
        return true;
    }
    if (src->is_output || src->is_input || !src->producer.op)
        return false;
    // The output's name must survive: the producer writes it, and everybody who read the input
    // reads the output instead.
    const ppq_use p = src->producer;
    ppq_graph_set_input(g, op, in_slot, NULL);
    ppq_graph_set_output(g, op, out_slot, NULL);
    ppq_graph_replace_uses(g, src, dst);
    ppq_graph_set_output(g, p.op, p.slot, NULL);
    ppq_graph_set_output(g, p.op, p.slot, dst);
    kill_var(g, src);
    ppq_graph_remove_op(g, op);
    return true;
}

void ppq_graph_compact(ppq_graph *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_ops; i++)
        if (!g->ops[i]->dead) {
            g->ops[i]->id = (uint32_t) n;
            g->ops[n++] = g->ops[i];
        }
    g->n_ops = n;
    n = 0;
    for (size_t i = 0; i < g->n_vars; i++) {
        ppq_var *v = g->vars[i];
        if (!v->dead && !v->n_uses && !v->is_input && !v->is_output && !v->producer.op)
            kill_var(g, v);
        if (!v->dead) {
            v->id = (uint32_t) n;
            g->vars[n++] = v;
        }
    }
    g->n_vars = n;
}

#define BROKEN(cond, ...)                                                                   \
    do {                                                                                    \
        if (cond)                                                                           \
            return ppq_fail(d, PPQ_ERR_MODEL, (ppq_loc){ .stage = "verify" }, __VA_ARGS__); \
    } while (0)

ppq_status ppq_graph_verify(const ppq_graph *g, ppq_diag *d)
{
    for (size_t i = 0; i < g->n_vars; i++) {
        const ppq_var *v = g->vars[i];
        if (v->dead)
            continue;
        BROKEN(ppq_map_get(g->var_names, v->name) != v, "tensor name '%s' is used twice", v->name);
        BROKEN(v->value.buf && v->producer.op, "tensor '%s' is constant and has producer '%s'",
               v->name, v->producer.op->name);
        BROKEN(v->producer.op && (v->producer.op->dead ||
                                  v->producer.op->out[v->producer.slot] != v),
               "tensor '%s' has a stale producer", v->name);
        BROKEN(!v->producer.op && !v->value.buf && !v->is_input && (v->n_uses || v->is_output),
               "tensor '%s' is read but nothing produces it", v->name);
        for (int32_t k = 0; k < v->n_uses; k++)
            BROKEN(v->uses[k].op->dead || v->uses[k].op->in[v->uses[k].slot] != v,
                   "tensor '%s' has a stale use", v->name);
    }
    size_t edges = 0, uses = 0;
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        if (op->dead)
            continue;
        BROKEN(ppq_map_get(g->op_names, op->name) != op, "op name '%s' is used twice", op->name);
        for (int32_t k = 0; k < op->n_in + op->n_implicit; k++)
            edges += op->in[k] != NULL;
        for (int32_t k = 0; k < op->n_out; k++)
            BROKEN(op->out[k] && op->out[k]->producer.op != op, "op '%s' does not own its output %d",
                   op->name, k);
    }
    for (size_t i = 0; i < g->n_vars; i++)
        uses += g->vars[i]->dead ? 0 : (size_t) g->vars[i]->n_uses;
    BROKEN(edges != uses, "%zu op inputs but %zu uses", edges, uses);
    return PPQ_OK;
}

// Binary min-heap of op ids.
static void heap_push(uint32_t *h, size_t *n, uint32_t x)
{
    size_t i = (*n)++;
    while (i && h[(i - 1) / 2] > x) {
        h[i] = h[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h[i] = x;
}

static uint32_t heap_pop(uint32_t *h, size_t *n)
{
    const uint32_t top = h[0], x = h[--*n];
    size_t i = 0;
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= *n)
            break;
        if (c + 1 < *n && h[c + 1] < h[c])
            c++;
        if (h[c] >= x)
            break;
        h[i] = h[c];
        i = c;
    }
    h[i] = x;
    return top;
}

ppq_status ppq_graph_topo(const ppq_graph *g, ppq_arena *a, ppq_op ***ops, size_t *n, ppq_diag *d)
{
    ppq_op **order = ppq_new_n(a, ppq_op *, g->n_ops + 1);
    uint32_t *wait = ppq_new_n(a, uint32_t, g->n_ops + 1);
    uint32_t *heap = ppq_new_n(a, uint32_t, g->n_ops + 1);
    size_t n_heap = 0, done = 0, live = 0;
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        if (op->dead)
            continue;
        assert(op->id == i);
        live++;
        for (int32_t k = 0; k < op->n_in + op->n_implicit; k++)
            wait[i] += op->in[k] && op->in[k]->producer.op;
        if (!wait[i])
            heap_push(heap, &n_heap, (uint32_t) i);
    }
    while (n_heap) {
        ppq_op *op = g->ops[heap_pop(heap, &n_heap)];
        order[done++] = op;
        for (int32_t k = 0; k < op->n_out; k++) {
            const ppq_var *v = op->out[k];
            for (int32_t u = 0; v && u < v->n_uses; u++)
                if (--wait[v->uses[u].op->id] == 0)
                    heap_push(heap, &n_heap, v->uses[u].op->id);
        }
    }
    if (done != live) {
        const char *first = "";
        for (size_t i = 0; i < g->n_ops && !first[0]; i++)
            if (!g->ops[i]->dead && wait[i])
                first = g->ops[i]->name;
        return ppq_fail(d, PPQ_ERR_MODEL, (ppq_loc){ .stage = "parse", .op = first },
                        "the graph has a cycle through %zu op%s, one of them '%s'", live - done,
                        live - done == 1 ? "" : "s", first);
    }
    *ops = order;
    *n = done;
    return PPQ_OK;
}

int64_t ppq_graph_opset(const ppq_graph *g, const char *domain)
{
    if (strcmp(domain, "ai.onnx") == 0)
        domain = "";
    for (int32_t i = 0; i < g->n_opsets; i++)
        if (strcmp(g->opsets[i].domain, domain) == 0)
            return g->opsets[i].version;
    return 0;
}

void ppq_graph_set_opset(ppq_graph *g, const char *domain, int64_t version)
{
    if (strcmp(domain, "ai.onnx") == 0)
        domain = "";
    for (int32_t i = 0; i < g->n_opsets; i++)
        if (strcmp(g->opsets[i].domain, domain) == 0) {
            g->opsets[i].version = version;
            return;
        }
    ppq_opset *o = ppq_new_n(g->arena, ppq_opset, (size_t) g->n_opsets + 1);
    if (g->n_opsets)
        memcpy(o, g->opsets, (size_t) g->n_opsets * sizeof(*o));
    o[g->n_opsets++] = (ppq_opset){ ppq_arena_printf(g->arena, "%s", domain), version };
    g->opsets = o;
}

int64_t ppq_graph_symbol(ppq_graph *g, const char *name)
{
    for (int32_t i = 0; i < g->n_symbols; i++)
        if (strcmp(g->symbols[i], name) == 0)
            return PPQ_DIM_SYMBOL(i);
    GROW(g, g->symbols, g->n_symbols, g->cap_symbols);
    g->symbols[g->n_symbols] = ppq_arena_printf(g->arena, "%s", name);
    return PPQ_DIM_SYMBOL(g->n_symbols++);
}

// ---- attributes -----------------------------------------------------------------------------

const ppq_attr *ppq_op_attr(const ppq_op *op, const char *name)
{
    for (int32_t i = 0; i < op->n_attrs; i++)
        if (strcmp(op->attrs[i].name, name) == 0)
            return &op->attrs[i];
    return NULL;
}

int64_t ppq_op_attr_int(const ppq_op *op, const char *name, int64_t fallback)
{
    const ppq_attr *a = ppq_op_attr(op, name);
    return a && a->kind == PPQ_ATTR_INT ? a->u.i : fallback;
}

float ppq_op_attr_float(const ppq_op *op, const char *name, float fallback)
{
    const ppq_attr *a = ppq_op_attr(op, name);
    return a && a->kind == PPQ_ATTR_FLOAT ? a->u.f : fallback;
}

bool ppq_op_attr_is(const ppq_op *op, const char *name, const char *value)
{
    const ppq_attr *a = ppq_op_attr(op, name);
    return a && a->kind == PPQ_ATTR_STRING && a->u.s.size == strlen(value) &&
           memcmp(a->u.s.data, value, a->u.s.size) == 0;
}

size_t ppq_op_attr_ints(const ppq_op *op, const char *name, const int64_t **out)
{
    const ppq_attr *a = ppq_op_attr(op, name);
    *out = NULL;
    if (!a || a->kind != PPQ_ATTR_INTS)
        return 0;
    *out = a->u.ints;
    return a->count;
}

static const void *copy_bytes(ppq_graph *g, const void *p, size_t count, size_t size)
{
    void *c = ppq_arena_zalloc(g->arena, count ? count : 1, size, alignof(max_align_t));
    if (count)
        memcpy(c, p, count * size);
    return c;
}

static ppq_string copy_string(ppq_graph *g, ppq_string s)
{
    char *c = ppq_arena_zalloc(g->arena, s.size + 1, 1, 1);
    if (s.size)
        memcpy(c, s.data, s.size);
    return (ppq_string){ c, s.size };
}

void ppq_op_set_attr(ppq_graph *g, ppq_op *op, const ppq_attr *src)
{
    ppq_attr a = *src;
    a.name = ppq_arena_printf(g->arena, "%s", src->name);
    switch (src->kind) {
    case PPQ_ATTR_INT:
    case PPQ_ATTR_FLOAT:
        break;
    case PPQ_ATTR_STRING:
        a.u.s = copy_string(g, src->u.s);
        break;
    case PPQ_ATTR_TENSOR: {
        ppq_tensor *t = ppq_new(g->arena, ppq_tensor);
        *t = ppq_tensor_ref(src->u.t);
        a.u.t = t;
        break;
    }
    case PPQ_ATTR_INTS:
        a.u.ints = copy_bytes(g, src->u.ints, src->count, sizeof(*src->u.ints));
        break;
    case PPQ_ATTR_FLOATS:
        a.u.floats = copy_bytes(g, src->u.floats, src->count, sizeof(*src->u.floats));
        break;
    case PPQ_ATTR_STRINGS: {
        ppq_string *s = ppq_new_n(g->arena, ppq_string, src->count + 1);
        for (size_t i = 0; i < src->count; i++)
            s[i] = copy_string(g, src->u.strings[i]);
        a.u.strings = s;
        break;
    }
    case PPQ_ATTR_RAW:
        a.u.raw.data = copy_bytes(g, src->u.raw.data, src->u.raw.size, 1);
        break;
    }
    ppq_op_remove_attr(op, a.name);
    ppq_attr *all = ppq_new_n(g->arena, ppq_attr, (size_t) op->n_attrs + 1);
    if (op->n_attrs)
        memcpy(all, op->attrs, (size_t) op->n_attrs * sizeof(*all));
    all[op->n_attrs++] = a;
    op->attrs = all;
}

void ppq_op_set_int(ppq_graph *g, ppq_op *op, const char *name, int64_t v)
{
    ppq_op_set_attr(g, op, &(ppq_attr){ name, PPQ_ATTR_INT, 1, { .i = v } });
}

void ppq_op_set_float(ppq_graph *g, ppq_op *op, const char *name, float v)
{
    ppq_op_set_attr(g, op, &(ppq_attr){ name, PPQ_ATTR_FLOAT, 1, { .f = v } });
}

void ppq_op_set_string(ppq_graph *g, ppq_op *op, const char *name, const char *v)
{
    ppq_op_set_attr(g, op, &(ppq_attr){ name, PPQ_ATTR_STRING, 1, { .s = { v, strlen(v) } } });
}

void ppq_op_set_ints(ppq_graph *g, ppq_op *op, const char *name, const int64_t *v, size_t n)
{
    ppq_op_set_attr(g, op, &(ppq_attr){ name, PPQ_ATTR_INTS, n, { .ints = v } });
}

void ppq_op_set_floats(ppq_graph *g, ppq_op *op, const char *name, const float *v, size_t n)
{
    ppq_op_set_attr(g, op, &(ppq_attr){ name, PPQ_ATTR_FLOATS, n, { .floats = v } });
}

void ppq_op_set_tensor(ppq_graph *g, ppq_op *op, const char *name, ppq_tensor *take_value)
{
    ppq_op_set_attr(g, op, &(ppq_attr){ name, PPQ_ATTR_TENSOR, 1, { .t = take_value } });
    ppq_tensor_unref(take_value);
}

void ppq_op_remove_attr(ppq_op *op, const char *name)
{
    for (int32_t i = 0; i < op->n_attrs; i++) {
        if (strcmp(op->attrs[i].name, name) != 0)
            continue;
        if (op->attrs[i].kind == PPQ_ATTR_TENSOR) {
            ppq_tensor t = *op->attrs[i].u.t;
            ppq_tensor_unref(&t);
        }
        memmove(&op->attrs[i], &op->attrs[i + 1],
                (size_t) (op->n_attrs - i - 1) * sizeof(*op->attrs));
        op->n_attrs--;
        return;
    }
}

// ---- constants ------------------------------------------------------------------------------

static bool element_as_double(const ppq_tensor *t, int64_t i, double *out)
{
    const void *p = ppq_tensor_data(t);
    switch ((int) t->dtype) {
#define CASE(id, type)                         \
    case PPQ_DT_##id:                          \
        *out = (double) ((const type *) p)[i]; \
        return true
        CASE(F32, float);
        CASE(F64, double);
        CASE(I8, int8_t);
        CASE(U8, uint8_t);
        CASE(I16, int16_t);
        CASE(U16, uint16_t);
        CASE(I32, int32_t);
        CASE(U32, uint32_t);
        CASE(I64, int64_t);
        CASE(U64, uint64_t);
        CASE(BOOL, uint8_t);
#undef CASE
    case PPQ_DT_F16:
        *out = (double) ppq_f16_to_f32(((const uint16_t *) p)[i]);
        return true;
    case PPQ_DT_BF16:
        *out = (double) ppq_bf16_to_f32(((const uint16_t *) p)[i]);
        return true;
    default:
        return false;
    }
}

int64_t ppq_const_ints(const ppq_tensor *t, int64_t *out, int64_t cap)
{
    if (!t || !t->buf)
        return -1;
    const int64_t n = ppq_shape_numel(&t->shape);
    for (int64_t i = 0; i < n; i++) {
        int64_t x;
        if (t->dtype == PPQ_DT_I64) {
            x = ppq_i64(t)[i];
        } else {
            double f;
            if (!element_as_double(t, i, &f) || f != floor(f) || fabs(f) > 9007199254740992.0)
                return -1;
            x = (int64_t) f;
        }
        if (i < cap)
            out[i] = x;
    }
    return n;
}

bool ppq_const_scalar(const ppq_tensor *t, double *out)
{
    return t && t->buf && ppq_shape_numel(&t->shape) == 1 && element_as_double(t, 0, out);
}

ppq_tqc *ppq_graph_new_tqc(ppq_graph *g, const ppq_qfmt *fmt)
{
    ppq_tqc *t = ppq_new(g->arena, ppq_tqc);
    t->id = g->n_tqcs++;
    t->fmt = *fmt;
    t->parent = t;
    return t;
}

// ---- clone ----------------------------------------------------------------------------------

static ppq_blob copy_blob(ppq_graph *g, ppq_blob b)
{
    return (ppq_blob){ b.size ? copy_bytes(g, b.data, b.size, 1) : NULL, b.size };
}

static ppq_tqc **clone_tqcs(ppq_graph *g, ppq_tqc *const *src, int32_t n, ppq_tqc **by_id)
{
    if (!src)
        return NULL;
    ppq_tqc **out = ppq_new_n(g->arena, ppq_tqc *, (size_t) n + 1);
    for (int32_t i = 0; i < n; i++) {
        if (!src[i])
            continue;
        ppq_tqc *t = ppq_new(g->arena, ppq_tqc);
        *t = *src[i];
        if (t->n) {
            t->scale = (float *) copy_bytes(g, t->scale, t->n, sizeof(float));
            t->offset = (float *) copy_bytes(g, t->offset, t->n, sizeof(float));
        }
        by_id[t->id] = out[i] = t;
    }
    return out;
}

ppq_status ppq_graph_clone(const ppq_graph *src, ppq_graph **out, ppq_diag *d)
{
    (void) d;
    ppq_graph *g = ppq_graph_create();
    g->name = ppq_arena_printf(g->arena, "%s", src->name);
    g->source = ppq_arena_printf(g->arena, "%s", src->source);
    g->ir_version = src->ir_version;
    g->had_external_data = src->had_external_data;
    g->model_extra = copy_blob(g, src->model_extra);
    g->graph_extra = copy_blob(g, src->graph_extra);
    for (int32_t i = 0; i < src->n_opsets; i++)
        ppq_graph_set_opset(g, src->opsets[i].domain, src->opsets[i].version);
    for (int32_t i = 0; i < src->n_symbols; i++)
        (void) ppq_graph_symbol(g, src->symbols[i]);
    for (size_t i = 0; i < src->n_vars; i++) {
        const ppq_var *v = src->vars[i];
        ppq_var *c = ppq_graph_add_var(g, v->name);
        c->dtype = v->dtype;
        assert(!v->dead && v->id == i);
        c->shape = v->shape;
        c->value = ppq_tensor_ref(&v->value);
        c->type_proto = copy_blob(g, v->type_proto);
        c->tensor_extra = copy_blob(g, v->tensor_extra);
    }
    g->n_tqcs = src->n_tqcs;
    ppq_tqc **by_id = calloc((size_t) src->n_tqcs + 1, sizeof(*by_id));
    if (!by_id)
        abort();
    for (size_t i = 0; i < src->n_ops; i++) {
        const ppq_op *op = src->ops[i];
        ppq_op *c = ppq_graph_add_op(g, op->domain, op->type, op->name, op->n_in + op->n_implicit,
                                     op->n_out);
        c->n_in = op->n_in;
        c->n_implicit = op->n_implicit;
        assert(!op->dead && op->id == i);
        c->extra = copy_blob(g, op->extra);
        c->place = op->place;
        c->place_reason = ppq_arena_printf(g->arena, "%s", op->place_reason);
        for (int32_t k = 0; k < op->n_attrs; k++)
            ppq_op_set_attr(g, c, &op->attrs[k]);
        for (int32_t k = 0; k < op->n_out; k++)
            if (op->out[k])
                ppq_graph_set_output(g, c, k, g->vars[op->out[k]->id]);
        c->tqc_in = clone_tqcs(g, op->tqc_in, op->n_in, by_id);
        c->tqc_out = clone_tqcs(g, op->tqc_out, op->n_out, by_id);
    }
    // Uses in the order of the source, so that whatever walks them sees the same order.
    for (size_t i = 0; i < src->n_vars; i++)
        for (int32_t k = 0; k < src->vars[i]->n_uses; k++) {
            const ppq_use u = src->vars[i]->uses[k];
            ppq_graph_set_input(g, g->ops[u.op->id], u.slot, g->vars[i]);
        }
    for (size_t i = 0; i < g->n_ops; i++)
        for (int side = 0; side < 2; side++) {
            ppq_tqc **t = side ? g->ops[i]->tqc_out : g->ops[i]->tqc_in;
            for (int32_t k = 0; t && k < (side ? g->ops[i]->n_out : g->ops[i]->n_in); k++)
                if (t[k])
                    t[k]->parent = by_id[t[k]->parent->id];
        }
    free(by_id);
    for (int32_t i = 0; i < src->n_inputs; i++)
        ppq_graph_mark_input(g, g->vars[src->inputs[i]->id]);
    for (int32_t i = 0; i < src->n_outputs; i++)
        ppq_graph_mark_output(g, g->vars[src->outputs[i]->id]);
    *out = g;
    return PPQ_OK;
}
