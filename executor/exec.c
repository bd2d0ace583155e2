#include "executor/exec.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/quantfn.h"
#include "executor/dnnl/compat.h"
#include "executor/subgraph.h"

// What an op runs with for one set of input shapes. Immutable once it is in the list.
typedef struct prepared {
    struct prepared *next;
    const ppq_kernel *kernel; // NULL: the op's own forward
    void *state;
    ppq_shape *in_shape, *out_shape; // [n_in], [n_out]
    ppq_dtype *in_dtype, *out_dtype;
    bool infer_each_run; // output shapes depend on input values
} prepared;

typedef struct op_slot {
    pthread_mutex_t lock;
    prepared *list;
    int n_list;
    const ppq_kernel *last;
    bool ran;
    ppq_subgraphs *subgraphs; // of an op that has any, from its first run on
} op_slot;

struct ppq_exec {
    const ppq_graph *g;
    ppq_exec_opts o;
    ppq_arena *arena;
    ppq_op **order;
    size_t n_order;
    int32_t *uses;  // per var id: reads by ops in `order`, plus one for a graph output
    op_slot *slots; // per op id
    ppq_pool *pool;
};

// A var's value while the graph runs, in one or both layouts.
typedef struct value {
    ppq_tensor t[2]; // by ppq_layout
    int32_t left;    // reads to come
} value;

typedef struct run {
    ppq_exec *e;
    value *values; // per var id
    ppq_arena *scratch;
    const ppq_exec_hook *hook;
    ppq_diag *d;
} run;

enum { MAX_PREPARED = 64 }; // shapes remembered per op; further ones are prepared per run

static ppq_loc at_op(const ppq_op *op)
{
    return (ppq_loc){ .stage = "run", .op = op->name };
}

// ---- creation -------------------------------------------------------------------------------

// Marks what the outputs need; dead branches are not run.
static void mark_needed(const ppq_graph *g, ppq_op **order, size_t n, bool *needed)
{
    for (size_t i = n; i-- > 0;) {
        const ppq_op *op = order[i];
        for (int32_t k = 0; k < op->n_out && !needed[op->id]; k++) {
            const ppq_var *v = op->out[k];
            if (!v)
                continue;
            needed[op->id] = v->is_output;
            for (int32_t u = 0; u < v->n_uses; u++)
                needed[op->id] |= needed[v->uses[u].op->id];
        }
    }
    (void) g;
}

static ppq_status check_known(const ppq_exec *e, ppq_diag *d)
{
    ppq_status st = PPQ_OK;
    for (size_t i = 0; i < e->n_order; i++)
        if (ppq_op_check_known(e->order[i], d) != PPQ_OK)
            st = PPQ_ERR_UNSUPPORTED;
    return st;
}

ppq_status ppq_exec_create(const ppq_graph *g, const ppq_exec_opts *o, ppq_exec **out, ppq_diag *d)
{
    ppq_exec *e = calloc(1, sizeof(*e));
    if (!e)
        abort();
    e->g = g;
    e->o = *o;
    e->o.n_threads = PPQ_MAX(1, o->n_threads);
    e->arena = ppq_arena_create("exec");
    e->pool = ppq_pool_create();
    ppq_op **order;
    size_t n;
    ppq_status st = ppq_graph_topo(g, e->arena, &order, &n, d);
    if (st != PPQ_OK)
        goto fail;
    bool *needed = ppq_new_n(e->arena, bool, g->n_ops + 1);
    mark_needed(g, order, n, needed);
    e->order = ppq_new_n(e->arena, ppq_op *, n + 1);
    for (size_t i = 0; i < n; i++)
        if (needed[order[i]->id])
            e->order[e->n_order++] = order[i];
    if ((st = check_known(e, d)) != PPQ_OK)
        goto fail;
    e->uses = ppq_new_n(e->arena, int32_t, g->n_vars + 1);
    for (size_t i = 0; i < e->n_order; i++)
        for (int32_t k = 0; k < e->order[i]->n_in + e->order[i]->n_implicit; k++)
            if (e->order[i]->in[k])
                e->uses[e->order[i]->in[k]->id]++;
    for (int32_t i = 0; i < g->n_outputs; i++)
        e->uses[g->outputs[i]->id]++;
    e->slots = ppq_new_n(e->arena, op_slot, g->n_ops + 1);
    for (size_t i = 0; i < g->n_ops; i++)
        pthread_mutex_init(&e->slots[i].lock, NULL);
    *out = e;
    return PPQ_OK;
fail:
    ppq_exec_destroy(e);
    return st;
}

static void free_prepared(prepared *p)
{
    if (p->kernel && p->kernel->release)
        p->kernel->release(p->state);
    free(p->in_shape);
    free(p);
}

void ppq_exec_destroy(ppq_exec *e)
{
    if (!e)
        return;
    for (size_t i = 0; e->slots && i < e->g->n_ops; i++) {
        for (prepared *p = e->slots[i].list; p;) {
            prepared *next = p->next;
            free_prepared(p);
            p = next;
        }
        ppq_subgraphs_destroy(e->slots[i].subgraphs);
        pthread_mutex_destroy(&e->slots[i].lock);
    }
    ppq_pool_destroy(e->pool);
    ppq_arena_destroy(e->arena);
    free(e);
}

const char *ppq_exec_kernel_name(const ppq_exec *e, uint32_t id)
{
    const op_slot *s = &e->slots[id];
    return !s->ran ? "" : s->last ? s->last->name : "plain";
}

// ---- one op ---------------------------------------------------------------------------------

// The inputs of an op as it will see them. Tensors are owned (one reference each).
typedef struct args {
    ppq_tensor *in;         // [n_in] buf NULL: left out
    const ppq_tensor **ptr; // [n_in]
    bool *has;              // [n_in]
    ppq_shape *shape;       // [n_in]
    ppq_dtype *dtype;       // [n_in]
    ppq_tensor *out;        // [n_out]
    ppq_shape *out_shape;
    ppq_dtype *out_dtype;
} args;

static args args_new(ppq_arena *a, const ppq_op *op)
{
    const size_t ni = (size_t) op->n_in + 1, no = (size_t) op->n_out + 1;
    return (args){ ppq_new_n(a, ppq_tensor, ni), ppq_new_n(a, const ppq_tensor *, ni),
                   ppq_new_n(a, bool, ni),       ppq_new_n(a, ppq_shape, ni),
                   ppq_new_n(a, ppq_dtype, ni),  ppq_new_n(a, ppq_tensor, no),
                   ppq_new_n(a, ppq_shape, no),  ppq_new_n(a, ppq_dtype, no) };
}

static void args_refresh(const ppq_op *op, args *a)
{
    for (int32_t k = 0; k < op->n_in; k++) {
        a->has[k] = a->in[k].buf != NULL;
        a->ptr[k] = a->has[k] ? &a->in[k] : NULL;
        a->shape[k] = a->in[k].shape;
        a->dtype[k] = a->in[k].dtype;
        if (!a->has[k])
            a->shape[k].rank = -1;
    }
}

static void args_release(const ppq_op *op, args *a)
{
    for (int32_t k = 0; k < op->n_in; k++)
        ppq_tensor_unref(&a->in[k]);
    for (int32_t k = 0; k < op->n_out; k++)
        ppq_tensor_unref(&a->out[k]);
}

// Most ops are given tensors only.
static ppq_status infer(const ppq_op *op, int64_t opset, args *a, ppq_diag *d)
{
    PPQ_TRY(ppq_op_check_kinds(op, a->dtype, d));
    for (int32_t k = 0; k < op->n_out; k++) {
        a->out_shape[k] = (ppq_shape){ .rank = -1 };
        a->out_dtype[k] = PPQ_DT_NONE;
    }
    ppq_infer_ctx c = { .op = op,
                        .opset = opset,
                        .in_value = a->ptr,
                        .in_shape = a->shape,
                        .in_dtype = a->dtype,
                        .has_in = a->has,
                        .out_shape = a->out_shape,
                        .out_dtype = a->out_dtype,
                        .diag = d };
    return op->def->infer(&c);
}

static bool known_output(const args *a, int32_t k)
{
    return a->out_dtype[k] != PPQ_DT_NONE && ppq_shape_known(&a->out_shape[k]);
}

static ppq_status alloc_outputs(const ppq_op *op, args *a, ppq_layout layout, ppq_pool *pool,
                                ppq_diag *d)
{
    for (int32_t k = 0; k < op->n_out; k++) {
        if (!known_output(a, k))
            continue;
        const ppq_status st =
            ppq_tensor_alloc_pool(&a->out[k], a->out_dtype[k], &a->out_shape[k], pool);
        if (st != PPQ_OK) {
            char b[128];
            return ppq_fail(d, st, at_op(op), "%s: cannot allocate output %d of shape %s %s",
                            op->type, k, ppq_shape_str(&a->out_shape[k], b, sizeof(b)),
                            ppq_dtype_name(a->out_dtype[k]));
        }
        if (a->out_shape[k].rank >= 3)
            a->out[k].layout = layout;
    }
    return PPQ_OK;
}

static ppq_status check_outputs(const ppq_op *op, const args *a, ppq_diag *d)
{
    for (int32_t k = 0; k < op->n_out; k++)
        if (op->out[k] && !a->out[k].buf)
            return ppq_fail(d, PPQ_ERR_UNSUPPORTED, at_op(op), "%s did not produce its output %d",
                            op->type, k);
    return PPQ_OK;
}

ppq_status ppq_op_eval(const ppq_op *op, int64_t opset, const ppq_tensor *const *in,
                       ppq_tensor *outs, ppq_diag *d)
{
    if (!op->def)
        return ppq_fail(d, PPQ_ERR_UNSUPPORTED, at_op(op), "op type %s is not known", op->type);
    PPQ_TRY(ppq_op_check_arity(op, d));
    ppq_arena *scratch = ppq_arena_create("eval");
    args a = args_new(scratch, op);
    for (int32_t k = 0; k < op->n_in; k++)
        if (in[k])
            a.in[k] = ppq_tensor_ref(in[k]);
    args_refresh(op, &a);
    ppq_status st = infer(op, opset, &a, d);
    if (st == PPQ_OK)
        st = alloc_outputs(op, &a, PPQ_LAYOUT_PLAIN, NULL, d);
    if (st == PPQ_OK) {
        ppq_kernel_ctx c = { op, opset, a.ptr, a.out, scratch, NULL, d, 1 };
        st = op->def->forward(&c);
    }
    if (st == PPQ_OK)
        st = check_outputs(op, &a, d);
    if (st == PPQ_OK)
        for (int32_t k = 0; k < op->n_out; k++) {
            outs[k] = a.out[k];
            a.out[k] = (ppq_tensor){ 0 };
        }
    args_release(op, &a);
    ppq_arena_destroy(scratch);
    return st;
}

// ---- choosing a kernel ----------------------------------------------------------------------

static bool same_spec(const ppq_op *op, const prepared *p, const args *a)
{
    for (int32_t k = 0; k < op->n_in; k++)
        if (p->in_dtype[k] != a->dtype[k] || !ppq_shape_equal(&p->in_shape[k], &a->shape[k]))
            return false;
    for (int32_t k = 0; k < op->n_out; k++)
        if (p->out_dtype[k] != a->out_dtype[k] ||
            !ppq_shape_equal(&p->out_shape[k], &a->out_shape[k]))
            return false;
    return true;
}

static void choose_kernel(ppq_exec *e, const ppq_op *op, int64_t opset, const args *a,
                          ppq_arena *scratch, prepared *p, ppq_diag *d)
{
    if (e->o.reference || op->domain[0])
        return;
    for (int32_t k = 0; k < op->n_out; k++)
        if (!known_output(a, k) || ppq_shape_numel(&a->out_shape[k]) == 0)
            return;
    const ppq_tensor **consts = ppq_new_n(scratch, const ppq_tensor *, (size_t) op->n_in + 1);
    for (int32_t k = 0; k < op->n_in; k++) {
        if (op->in[k] && ppq_var_is_const(op->in[k]))
            consts[k] = a->ptr[k];
        if (a->has[k] && ppq_shape_numel(&a->shape[k]) == 0)
            return;
    }
    const ppq_kernel_spec spec = { op,     opset,        a->shape,     a->dtype,      a->has,
                                   consts, a->out_shape, a->out_dtype, e->o.n_threads };
    for (const ppq_kernel *const *k = ppq_builtin_kernels; *k; k++) {
        if (strcmp((*k)->op_type, op->type) != 0 || !(*k)->supports(&spec))
            continue;
        void *state = NULL;
        if ((*k)->prepare(&spec, &state, d) == PPQ_OK) {
            p->kernel = *k;
            p->state = state;
            return;
        }
    }
}

static prepared *prepare(ppq_exec *e, const ppq_op *op, int64_t opset, const args *a,
                         ppq_arena *scratch, ppq_diag *d)
{
    const size_t ni = (size_t) op->n_in, no = (size_t) op->n_out;
    prepared *p = calloc(1, sizeof(*p));
    ppq_shape *shapes = calloc(ni + no + 1, sizeof(ppq_shape) + sizeof(ppq_dtype));
    if (!p || !shapes)
        abort();
    p->in_shape = shapes;
    p->out_shape = shapes + ni;
    p->in_dtype = (ppq_dtype *) (void *) (shapes + ni + no);
    p->out_dtype = p->in_dtype + ni;
    memcpy(p->in_shape, a->shape, ni * sizeof(*shapes));
    memcpy(p->out_shape, a->out_shape, no * sizeof(*shapes));
    memcpy(p->in_dtype, a->dtype, ni * sizeof(*a->dtype));
    memcpy(p->out_dtype, a->out_dtype, no * sizeof(*a->dtype));
    choose_kernel(e, op, opset, a, scratch, p, d);
    return p;
}

// *own: the caller frees it (too many shapes to remember).
static prepared *lookup(ppq_exec *e, const ppq_op *op, int64_t opset, const args *a,
                        ppq_arena *scratch, ppq_diag *d, bool *own)
{
    op_slot *s = &e->slots[op->id];
    *own = false;
    pthread_mutex_lock(&s->lock);
    prepared *p = s->list;
    while (p && !same_spec(op, p, a))
        p = p->next;
    if (!p) {
        p = prepare(e, op, opset, a, scratch, d);
        if (s->n_list < MAX_PREPARED) {
            p->next = s->list;
            s->list = p;
            s->n_list++;
        } else {
            *own = true;
        }
    }
    s->last = p->kernel;
    s->ran = true;
    pthread_mutex_unlock(&s->lock);
    return p;
}

// ---- running --------------------------------------------------------------------------------

static bool hooked(const run *r, const ppq_op *op, ppq_side side, int slot)
{
    return r->hook && (!r->hook->wants || r->hook->wants(r->hook->user, op, side, slot));
}

// The value of a var in a wanted layout, converting and remembering. Borrowed.
static ppq_status value_in(run *r, value *v, ppq_layout layout, const ppq_tensor **out)
{
    if (!v->t[layout].buf)
        PPQ_TRY(ppq_tensor_to_layout(&v->t[!layout], layout, r->e->pool, &v->t[layout]));
    *out = &v->t[layout];
    return PPQ_OK;
}

static const ppq_tensor *value_any(const value *v)
{
    return v->t[PPQ_LAYOUT_CHANNELS_LAST].buf ? &v->t[PPQ_LAYOUT_CHANNELS_LAST]
                                              : &v->t[PPQ_LAYOUT_PLAIN];
}

static bool computes_in_float(const ppq_exec *e, const ppq_op *op)
{
    return e->o.mode != PPQ_EXEC_SIMULATE || (e->o.in_float && e->o.in_float[op->id]);
}

static bool quantizes_input(const ppq_exec *e, const ppq_op *op, int32_t k)
{
    return !computes_in_float(e, op) && op->tqc_in && ppq_tqc_is_active(op->tqc_in[k]);
}

// What is read on integers is quantized by who makes it.
static bool quantizes_output(const ppq_exec *e, const ppq_op *op, int32_t k)
{
    if (!op->tqc_out || !ppq_tqc_is_active(op->tqc_out[k]))
        return false;
    const ppq_var *v = op->out[k];
    bool wanted = !computes_in_float(e, op);
    for (int32_t i = 0; i < v->n_uses && !wanted; i++)
        wanted = v->uses[i].op->place == PPQ_PLACE_QUANT && !computes_in_float(e, v->uses[i].op);
    return wanted;
}

// Quantizes *t at `tqc`: in place when nobody else holds it and `keep` does not want the old one.
static ppq_status quantize(run *r, const ppq_op *op, const ppq_tqc *tqc, bool keep, ppq_tensor *t)
{
    if (t->dtype != PPQ_DT_F32)
        return PPQ_OK;
    ppq_tensor q = { 0 };
    ppq_status st;
    if (!keep && ppq_tensor_is_unique(t)) {
        st = ppq_tqc_fake_quant(tqc, t, t);
    } else {
        st = ppq_tensor_alloc_pool(&q, t->dtype, &t->shape, r->e->pool);
        if (st == PPQ_OK) {
            q.layout = t->layout;
            st = ppq_tqc_fake_quant(tqc, t, &q);
        }
        if (st == PPQ_OK) {
            ppq_tensor_unref(t);
            *t = q;
        } else {
            ppq_tensor_unref(&q);
        }
    }
    if (st != PPQ_OK) {
        char b[128];
        return ppq_fail(r->d, st, at_op(op), "the quantization parameters do not fit a tensor %s",
                        ppq_shape_str(&t->shape, b, sizeof(b)));
    }
    return PPQ_OK;
}

static ppq_status fetch_inputs(run *r, const ppq_op *op, args *a)
{
    for (int32_t k = 0; k < op->n_in; k++) {
        if (!op->in[k])
            continue;
        // Kernels packed their constants; a plain one must find them plain.
        const value *v = &r->values[op->in[k]->id];
        const ppq_tensor *x = ppq_var_is_const(op->in[k]) ? &v->t[PPQ_LAYOUT_PLAIN] : value_any(v);
        if (!x->buf)
            return ppq_fail(r->d, PPQ_ERR_MODEL, at_op(op), "input '%s' has no value",
                            op->in[k]->name);
        a->in[k] = ppq_tensor_ref(x);
        const bool active = quantizes_input(r->e, op, k);
        const bool watch = hooked(r, op, PPQ_IN, k);
        ppq_tensor raw = watch ? ppq_tensor_ref(x) : (ppq_tensor){ 0 };
        ppq_status st = active ? quantize(r, op, op->tqc_in[k], true, &a->in[k]) : PPQ_OK;
        if (st == PPQ_OK && watch)
            st = r->hook->tensor(r->hook->user, op, PPQ_IN, k, &raw, &a->in[k]);
        ppq_tensor_unref(&raw);
        PPQ_TRY(st);
    }
    return PPQ_OK;
}

// Brings input k to `layout`, through the var's cache when it is the var's own value.
static ppq_status relayout(run *r, const ppq_op *op, args *a, int32_t k, ppq_layout layout)
{
    ppq_tensor *x = &a->in[k];
    if (!x->buf || x->layout == layout || x->shape.rank < 3)
        return PPQ_OK;
    value *v = &r->values[op->in[k]->id];
    ppq_tensor y;
    if (v->t[x->layout].buf == x->buf) {
        const ppq_tensor *c;
        PPQ_TRY(value_in(r, v, layout, &c));
        y = ppq_tensor_ref(c);
    } else {
        PPQ_TRY(ppq_tensor_to_layout(x, layout, r->e->pool, &y));
    }
    ppq_tensor_unref(x);
    *x = y;
    return PPQ_OK;
}

// Whether a LAYOUT_FREE op can run on channels-last data as it is: all big inputs have one shape,
// all others one element.
static bool layout_free_last(const ppq_op *op, const args *a)
{
    const ppq_shape *big = NULL;
    bool last = false;
    if (!ppq_op_has_trait(op, PPQ_OP_LAYOUT_FREE))
        return false;
    for (int32_t k = 0; k < op->n_in; k++) {
        if (!a->has[k])
            continue;
        if (a->shape[k].rank < 3) {
            if (ppq_shape_numel(&a->shape[k]) != 1)
                return false;
            continue;
        }
        if (big && !ppq_shape_equal(big, &a->shape[k]))
            return false;
        big = &a->shape[k];
        last |= a->in[k].layout == PPQ_LAYOUT_CHANNELS_LAST;
    }
    return last && ppq_shape_equal(&a->out_shape[0], big);
}

static ppq_status arrange(run *r, const ppq_op *op, args *a, const prepared *p, ppq_layout *layout)
{
    const bool last = p->kernel ? p->kernel->channels_last : layout_free_last(op, a);
    *layout = last ? PPQ_LAYOUT_CHANNELS_LAST : PPQ_LAYOUT_PLAIN;
    for (int32_t k = 0; k < op->n_in; k++) {
        // Constants were packed by prepare, or are small.
        if (p->kernel && op->in[k] && ppq_var_is_const(op->in[k]))
            continue;
        PPQ_TRY(relayout(r, op, a, k, *layout));
    }
    return PPQ_OK;
}

// Gives an op what its subgraphs need: their executors and the outer variables they read.
static ppq_status open_subgraphs(run *r, const ppq_op *op, ppq_kernel_ctx *c)
{
    if (!ppq_subgraphs_any(op))
        return PPQ_OK;
    op_slot *s = &r->e->slots[op->id];
    pthread_mutex_lock(&s->lock);
    ppq_exec_opts o = r->e->o;
    o.in_float = NULL; // ids of this graph
    o.constants = NULL;
    const ppq_status st =
        s->subgraphs ? PPQ_OK : ppq_subgraphs_create(r->e->g, op, &o, &s->subgraphs, r->d);
    c->subgraphs = s->subgraphs;
    pthread_mutex_unlock(&s->lock);
    PPQ_TRY(st);
    const ppq_tensor **captured =
        ppq_new_n(r->scratch, const ppq_tensor *, (size_t) op->n_implicit + 1);
    for (int32_t k = 0; k < op->n_implicit; k++) {
        const ppq_var *v = op->in[op->n_in + k];
        if (v && value_any(&r->values[v->id])->buf)
            PPQ_TRY(value_in(r, &r->values[v->id], PPQ_LAYOUT_PLAIN, &captured[k]));
    }
    c->captured = captured;
    return PPQ_OK;
}

static ppq_status forward(run *r, const ppq_op *op, args *a)
{
    ppq_exec *e = r->e;
    const int64_t opset = ppq_graph_opset(e->g, op->domain);
    args_refresh(op, a);
    // Values are looked at by shape functions in plain order only; they are small then.
    for (int32_t k = 0; k < op->n_in; k++)
        if (a->has[k] && a->in[k].layout != PPQ_LAYOUT_PLAIN)
            a->ptr[k] = NULL;
    PPQ_TRY(infer(op, opset, a, r->d));
    bool own;
    prepared *p = lookup(e, op, opset, a, r->scratch, r->d, &own);
    ppq_layout layout;
    ppq_status st = arrange(r, op, a, p, &layout);
    args_refresh(op, a);
    if (st == PPQ_OK)
        st = alloc_outputs(op, a, layout, e->pool, r->d);
    if (st == PPQ_OK) {
        ppq_kernel_ctx c = { op, opset, a->ptr, a->out, r->scratch, e->pool, r->d, e->o.n_threads };
        st = open_subgraphs(r, op, &c);
        if (st == PPQ_OK)
            st = p->kernel ? p->kernel->forward(p->state, &c) : op->def->forward(&c);
    }
    if (own)
        free_prepared(p);
    return st == PPQ_OK ? check_outputs(op, a, r->d) : st;
}

static ppq_status store_outputs(run *r, const ppq_op *op, args *a)
{
    for (int32_t k = 0; k < op->n_out; k++) {
        if (!op->out[k])
            continue;
        const bool active = quantizes_output(r->e, op, k);
        const bool watch = hooked(r, op, PPQ_OUT, k);
        ppq_tensor raw = watch ? ppq_tensor_ref(&a->out[k]) : (ppq_tensor){ 0 };
        ppq_status st = active ? quantize(r, op, op->tqc_out[k], watch, &a->out[k]) : PPQ_OK;
        if (st == PPQ_OK && watch)
            st = r->hook->tensor(r->hook->user, op, PPQ_OUT, k, &raw, &a->out[k]);
        ppq_tensor_unref(&raw);
        PPQ_TRY(st);
        value *v = &r->values[op->out[k]->id];
        if (v->left > 0) {
            v->t[a->out[k].layout] = a->out[k];
            a->out[k] = (ppq_tensor){ 0 };
        }
    }
    return PPQ_OK;
}

static void drop_value(value *v)
{
    ppq_tensor_unref(&v->t[0]);
    ppq_tensor_unref(&v->t[1]);
}

static ppq_status run_op(run *r, const ppq_op *op)
{
    PPQ_TRY(ppq_op_check_arity(op, r->d));
    args a = args_new(r->scratch, op);
    ppq_status st = fetch_inputs(r, op, &a);
    if (st == PPQ_OK)
        st = forward(r, op, &a);
    for (int32_t k = 0; k < op->n_in; k++)
        ppq_tensor_unref(&a.in[k]);
    if (st == PPQ_OK)
        st = store_outputs(r, op, &a);
    args_release(op, &a);
    for (int32_t k = 0; k < op->n_in + op->n_implicit; k++)
        if (op->in[k] && --r->values[op->in[k]->id].left == 0)
            drop_value(&r->values[op->in[k]->id]);
    ppq_arena_reset(r->scratch);
    return st;
}

ppq_status ppq_exec_check_feed(const ppq_var *v, const ppq_shape *shape, const ppq_tensor *t,
                               ppq_diag *d)
{
    const ppq_loc loc = { .stage = "run", .var = v->name };
    char a[128], b[128];
    if (!t->buf)
        return ppq_fail(d, PPQ_ERR_DATA, loc, "input '%s' is not given", v->name);
    if (v->dtype == PPQ_DT_OPTIONAL) // an element may stand for itself
        return PPQ_OK;
    if (v->dtype != PPQ_DT_NONE && t->dtype != v->dtype)
        return ppq_fail(d, PPQ_ERR_DATA, loc, "input '%s' is %s, the model wants %s", v->name,
                        ppq_dtype_name(t->dtype), ppq_dtype_name(v->dtype));
    bool fits = shape->rank < 0 || shape->rank == t->shape.rank;
    for (int i = 0; fits && i < shape->rank; i++)
        fits = shape->dim[i] < 0 || shape->dim[i] == t->shape.dim[i];
    if (!fits)
        return ppq_fail(d, PPQ_ERR_DATA, loc, "input '%s' has shape %s, the model wants %s",
                        v->name, ppq_shape_str(&t->shape, a, sizeof(a)),
                        ppq_shape_str(shape, b, sizeof(b)));
    return PPQ_OK;
}

static ppq_status run_all(run *r, const ppq_tensor *feeds, ppq_tensor *fetches)
{
    const ppq_graph *g = r->e->g;
    for (int32_t i = 0; i < g->n_inputs; i++) {
        const ppq_var *v = g->inputs[i];
        PPQ_TRY(ppq_exec_check_feed(v, &v->shape, &feeds[i], r->d));
        r->values[v->id].t[PPQ_LAYOUT_PLAIN] = ppq_tensor_ref(&feeds[i]);
    }
    for (size_t i = 0; i < r->e->n_order; i++)
        PPQ_TRY(run_op(r, r->e->order[i]));
    for (int32_t i = 0; i < g->n_outputs; i++) {
        const ppq_tensor *t;
        value *v = &r->values[g->outputs[i]->id];
        if (!value_any(v)->buf)
            return ppq_fail(r->d, PPQ_ERR_MODEL, (ppq_loc){ .stage = "run" },
                            "output '%s' has no value", g->outputs[i]->name);
        PPQ_TRY(value_in(r, v, PPQ_LAYOUT_PLAIN, &t));
        fetches[i] = ppq_tensor_ref(t);
    }
    return PPQ_OK;
}

static const ppq_tensor *constant_of(const ppq_exec *e, size_t id)
{
    const ppq_tensor *given = e->o.constants ? &e->o.constants[id] : NULL;
    return given && given->buf ? given : &e->g->vars[id]->value;
}

ppq_status ppq_exec_run(ppq_exec *e, const ppq_tensor *feeds, ppq_tensor *fetches,
                        const ppq_exec_hook *hook, ppq_diag *d)
{
    const ppq_graph *g = e->g;
    ppq_dnnl_set_threads(e->o.n_threads);
    run r = { .e = e, .hook = hook, .d = d, .scratch = ppq_arena_create("run") };
    r.values = calloc(g->n_vars + 1, sizeof(*r.values));
    if (!r.values)
        abort();
    for (size_t i = 0; i < g->n_vars; i++) {
        r.values[i].left = e->uses[i];
        const ppq_tensor *own = constant_of(e, i);
        if (own->buf && e->uses[i])
            r.values[i].t[PPQ_LAYOUT_PLAIN] = ppq_tensor_ref(own);
    }
    for (int32_t i = 0; i < g->n_outputs; i++)
        fetches[i] = (ppq_tensor){ 0 };
    const ppq_status st = run_all(&r, feeds, fetches);
    for (size_t i = 0; i < g->n_vars; i++)
        drop_value(&r.values[i]);
    free(r.values);
    ppq_arena_destroy(r.scratch);
    if (st != PPQ_OK)
        for (int32_t i = 0; i < g->n_outputs; i++)
            ppq_tensor_unref(&fetches[i]);
    return st;
}
