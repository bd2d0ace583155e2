#include <stdlib.h>
#include <string.h>

#include "core/settings.h"
#include "executor/engine/engine.h"
#include "executor/exec.h"
#include "quantizer/api_common.h"
#include "quantizer/data/data.h"
#include "quantizer/input_shape.h"
#include "quantizer/lower.h"
#include "quantizer/net.h"
#include "quantizer/session.h"

// Running models, for the public API.

// ---- arrays ---------------------------------------------------------------------------------

ppq_status ppq_array_of(const ppq_tensor *t, ppq_array *out)
{
    ppq_array a = { .dtype = (int) t->dtype, .rank = t->shape.rank, .bytes = ppq_tensor_bytes(t) };
    memcpy(a.dim, t->shape.dim, sizeof(a.dim));
    a.data = malloc(a.bytes + 1);
    if (!a.data)
        return PPQ_ERR_NOMEM;
    if (a.bytes)
        memcpy(a.data, ppq_tensor_data(t), a.bytes);
    *out = a;
    return PPQ_OK;
}

// Nobody else holds what *t has: it changes hands.
static ppq_status hand_over(ppq_tensor *t, ppq_array *out)
{
    if (!ppq_tensor_is_unique(t) || !ppq_tensor_bytes(t))
        return ppq_array_of(t, out);
    ppq_tensor *owner = malloc(sizeof(*owner));
    if (!owner)
        return PPQ_ERR_NOMEM;
    *out = (ppq_array){ .dtype = (int) t->dtype,
                        .rank = t->shape.rank,
                        .data = ppq_tensor_data(t),
                        .bytes = ppq_tensor_bytes(t),
                        .owner = owner };
    memcpy(out->dim, t->shape.dim, sizeof(out->dim));
    *owner = *t;
    *t = (ppq_tensor){ 0 };
    return PPQ_OK;
}

static ppq_status from_array(const ppq_array *a, ppq_tensor *out)
{
    enum { ALIGN = 16 };
    ppq_shape s = { .rank = a->rank };
    memcpy(s.dim, a->dim, sizeof(a->dim));
    if (!ppq_dtype_valid(a->dtype) || ppq_shape_bytes(&s, (ppq_dtype) a->dtype) != a->bytes)
        return PPQ_ERR_SHAPE;
    // The caller's memory itself, where vectors can be read from it.
    if (a->bytes && (uintptr_t) a->data % ALIGN == 0)
        return ppq_tensor_borrow(out, (ppq_dtype) a->dtype, &s, a->data, NULL, NULL);
    PPQ_TRY(ppq_tensor_alloc(out, (ppq_dtype) a->dtype, &s));
    if (a->bytes)
        memcpy(ppq_tensor_data(out), a->data, a->bytes);
    return PPQ_OK;
}

ppq_result ppq_array_load(const ppq_callbacks *cb, const char *path, ppq_array *out)
{
    ppq_callbacks own = *cb;
    ppq_diag *d = ppq_diag_create(ppq_forward_message, &own);
    ppq_tensor t = { 0 };
    ppq_status st = ppq_tensor_load(path, &t, d);
    if (st == PPQ_OK)
        st = ppq_array_of(&t, out);
    ppq_tensor_unref(&t);
    ppq_diag_destroy(d);
    return ppq_result_of(st);
}

ppq_result ppq_array_save(const ppq_callbacks *cb, const char *path, const ppq_array *a)
{
    ppq_callbacks own = *cb;
    ppq_diag *d = ppq_diag_create(ppq_forward_message, &own);
    ppq_tensor t = { 0 };
    ppq_status st = from_array(a, &t);
    if (st == PPQ_OK)
        st = ppq_npy_save(path, &t, d);
    ppq_tensor_unref(&t);
    ppq_diag_destroy(d);
    return ppq_result_of(st);
}

void ppq_array_free(ppq_array *a)
{
    if (!a)
        return;
    ppq_tensor_unref(a->owner);
    free(a->owner ? a->owner : a->data);
    *a = (ppq_array){ 0 };
}

// ---- nets -----------------------------------------------------------------------------------

// A plan for one set of input shapes.
typedef struct plan {
    struct plan *next; // most recently used first
    ppq_graph *graph;
    ppq_engine *engine;
    double *seconds; // per step
} plan;

enum { MAX_PLANS = 8 };

struct ppq_net {
    ppq_callbacks cb;
    ppq_diag *diag;
    ppq_settings *settings;
    ppq_session *session;
    ppq_net_opts o;
    ppq_exec *exec; // NULL: plans
    plan *plans;
    bool spent; // the model's constants went into a plan that could not be made
};

// Whether oneDNN uses no more than that already: it can be capped only once.
static bool is_capped(ppq_isa isa)
{
    static const struct {
        const char *name;
        ppq_isa level;
    } known[] = { { "sse4.1", PPQ_ISA_PORTABLE }, { "avx", PPQ_ISA_AVX2 },
                  { "avx2", PPQ_ISA_AVX2 },       { "avx512", PPQ_ISA_AVX512 },
                  { "avx2_vnni", PPQ_ISA_VNNI },  { "avx512_vnni", PPQ_ISA_VNNI } };
    bool exact;
    const char *name = ppq_engine_isa(&exact);
    for (size_t i = 0; i < PPQ_COUNT(known); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].level <= isa;
    return false;
}

static ppq_status cap_isa(const char *name, ppq_diag *d)
{
    ppq_isa isa;
    if (!name || strcmp(name, "native") == 0)
        return PPQ_OK;
    if (!ppq_isa_find(name, &isa))
        return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "--isa" },
                        "'%s' is no instruction set level; there are avx2, avx512, vnni, native",
                        name);
    if (!ppq_engine_cap_isa(isa) && !is_capped(isa))
        return ppq_fail(d, PPQ_ERR_STATE, (ppq_loc){ .stage = "--isa" },
                        "the instruction set must be capped before the first model runs");
    return PPQ_OK;
}

static int own_isa(const char *name)
{
    ppq_isa isa;
    const ppq_isa have = ppq_isa_detect();
    if (!name || !ppq_isa_find(name, &isa))
        return 0;
    return 1 + (int) PPQ_MIN(isa, have);
}

// For --batch: frees the first dimension where the model fixes it at one, and forgets the shapes
// that followed.
static ppq_status free_batch(ppq_graph *g, int batch, ppq_diag *d)
{
    for (int32_t i = 0; i < g->n_inputs; i++) {
        ppq_var *v = g->inputs[i];
        if (v->shape.rank == 0 || (v->shape.rank > 0 && v->shape.dim[0] > 1))
            return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "--batch", .var = v->name },
                            "--batch %d is not possible: input '%s' has %s %lld", batch, v->name,
                            v->shape.rank ? "a first dimension of" : "rank",
                            v->shape.rank ? (long long) v->shape.dim[0] : 0ll);
        if (v->shape.rank > 0 && v->shape.dim[0] == 1)
            v->shape.dim[0] = ppq_graph_symbol(g, "batch");
    }
    for (size_t i = 0; i < g->n_vars; i++)
        if (!g->vars[i]->is_input && !g->vars[i]->value.buf)
            g->vars[i]->shape.rank = -1;
    return PPQ_OK;
}

static ppq_status fix_inputs(ppq_net *n, const ppq_net_opts *o)
{
    for (size_t i = 0; i < o->n_input_shapes; i++)
        PPQ_TRY(ppq_session_input_shape(n->session, o->input_shapes[i]));
    return o->batch > 1 ? free_batch(n->session->graph, o->batch, n->diag) : PPQ_OK;
}

static void destroy_plan(plan *p)
{
    if (!p)
        return;
    ppq_engine_destroy(p->engine);
    ppq_graph_destroy(p->graph);
    free(p->seconds);
    free(p);
}

ppq_result ppq_net_open(const ppq_callbacks *cb, const char *model_path, const ppq_net_opts *o,
                        ppq_net **out)
{
    ppq_net *n = calloc(1, sizeof(*n));
    if (!n)
        return PPQ_RESULT_BAD;
    n->cb = *cb;
    n->o = *o;
    n->o.threads = PPQ_MAX(1, o->threads);
    n->o.batch = PPQ_MAX(1, o->batch);
    n->o.input_shapes = NULL; // the caller's
    n->diag = ppq_diag_create(ppq_forward_message, &n->cb);
    n->settings = ppq_settings_create();
    ppq_status st = cap_isa(o->isa, n->diag);
    if (st == PPQ_OK)
        st = ppq_session_create(n->settings, n->diag, &n->session);
    if (st == PPQ_OK)
        st = ppq_session_load(n->session, model_path);
    if (st == PPQ_OK)
        st = fix_inputs(n, o);
    if (st == PPQ_OK && o->engine == PPQ_ENGINE_FAST)
        st = ppq_lower_prepare(n->session->graph, n->diag);
    if (st == PPQ_OK && o->engine != PPQ_ENGINE_FAST) {
        const ppq_exec_opts x = { .mode = PPQ_EXEC_FLOAT,
                                  .reference = o->engine == PPQ_ENGINE_REFERENCE,
                                  .n_threads = n->o.threads };
        if (o->engine == PPQ_ENGINE_SIMULATE)
            st = ppq_session_fold(n->session);
        if (st == PPQ_OK)
            st = ppq_exec_create(n->session->graph, &x, &n->exec, n->diag);
    }
    if (st != PPQ_OK) {
        ppq_net_destroy(n);
        return ppq_result_of(st);
    }
    *out = n;
    return PPQ_RESULT_OK;
}

ppq_result ppq_net_load(const ppq_callbacks *cb, const char *model_path, ppq_engine_kind engine,
                        int threads, ppq_net **out)
{
    const ppq_net_opts o = { .engine = engine, .threads = threads };
    return ppq_net_open(cb, model_path, &o, out);
}

void ppq_net_destroy(ppq_net *n)
{
    if (!n)
        return;
    while (n->plans) {
        plan *next = n->plans->next;
        destroy_plan(n->plans);
        n->plans = next;
    }
    ppq_exec_destroy(n->exec);
    ppq_session_destroy(n->session);
    ppq_settings_destroy(n->settings);
    ppq_diag_destroy(n->diag);
    free(n);
}

ppq_graph *ppq_net_graph(const ppq_net *n)
{
    return n->session->graph;
}

ppq_diag *ppq_net_diag(const ppq_net *n)
{
    return n->diag;
}

int ppq_net_batch(const ppq_net *n)
{
    return n->o.batch;
}

size_t ppq_net_n_inputs(const ppq_net *n)
{
    return (size_t) n->session->graph->n_inputs;
}

size_t ppq_net_n_outputs(const ppq_net *n)
{
    return (size_t) n->session->graph->n_outputs;
}

const char *ppq_net_input(const ppq_net *n, size_t i)
{
    return n->session->graph->inputs[i]->name;
}

const char *ppq_net_output(const ppq_net *n, size_t i)
{
    return n->session->graph->outputs[i]->name;
}

void ppq_net_input_shape(const ppq_net *n, size_t i, int *dtype, int *rank, int64_t *dims)
{
    const ppq_var *v = n->session->graph->inputs[i];
    *dtype = (int) v->dtype;
    *rank = v->shape.rank;
    for (int k = 0; k < v->shape.rank; k++)
        dims[k] = PPQ_MAX(v->shape.dim[k], -1);
}

static bool fits(const plan *p, const ppq_tensor *in)
{
    for (int32_t i = 0; i < p->graph->n_inputs; i++)
        if (!ppq_shape_equal(&p->graph->inputs[i]->shape, &in[i].shape))
            return false;
    return true;
}

// Inputs of other shapes are refused: there will be one plan only.
static bool has_fixed_shapes(const ppq_graph *g)
{
    for (int32_t i = 0; i < g->n_inputs; i++)
        if (!ppq_shape_known(&g->inputs[i]->shape))
            return false;
    return true;
}

static void drop_constants(ppq_graph *g)
{
    for (size_t i = 0; i < g->n_vars; i++)
        ppq_tensor_unref(&g->vars[i]->value);
}

static ppq_status make_plan(ppq_net *n, const ppq_tensor *in, plan **out)
{
    const bool only = has_fixed_shapes(n->session->graph);
    if (n->spent)
        return ppq_fail(n->diag, PPQ_ERR_STATE, (ppq_loc){ .stage = "plan" },
                        "no plan could be made of '%s' before", n->session->graph->source);
    plan *p = calloc(1, sizeof(*p));
    if (!p)
        abort();
    const ppq_engine_opts o = { .n_threads = n->o.threads,
                                .isa = own_isa(n->o.isa),
                                .saturate = n->o.saturate,
                                .eager = n->o.eager,
                                .onednn_only = n->o.onednn_only,
                                .spend = only,
                                .winograd = n->o.winograd };
    ppq_status st = ppq_lower_graph(n->session->graph, in, &p->graph, n->diag);
    if (st == PPQ_OK && only) {
        drop_constants(n->session->graph);
        n->spent = true;
    }
    if (st == PPQ_OK)
        st = ppq_engine_create(p->graph, &o, &p->engine, n->diag);
    if (st != PPQ_OK) {
        destroy_plan(p);
        return st;
    }
    n->spent = false;
    p->seconds = calloc(ppq_engine_n_steps(p->engine) + 1, sizeof(double));
    if (!p->seconds)
        abort();
    *out = p;
    return PPQ_OK;
}

// The plan for the shapes of `in`, now the first of the list; the least recently used one goes.
static ppq_status find_plan(ppq_net *n, const ppq_tensor *in, plan **out)
{
    int count = 0;
    for (plan **at = &n->plans; *at; at = &(*at)->next) {
        plan *p = *at;
        if (fits(p, in)) {
            *at = p->next;
            p->next = n->plans;
            *out = n->plans = p;
            return PPQ_OK;
        }
        if (++count == MAX_PLANS) {
            *at = NULL;
            destroy_plan(p);
            break;
        }
    }
    PPQ_TRY(make_plan(n, in, out));
    (*out)->next = n->plans;
    n->plans = *out;
    return PPQ_OK;
}

// ---- watching -------------------------------------------------------------------------------

typedef struct watcher {
    ppq_watch_fn fn;
    void *user;
} watcher;

static ppq_status show(const watcher *w, const ppq_var *v, const ppq_tensor *value)
{
    if (value->dtype != PPQ_DT_F32 && value->dtype != PPQ_DT_U8 && value->dtype != PPQ_DT_I8)
        return PPQ_OK;
    ppq_tensor plain;
    PPQ_TRY(ppq_tensor_to_layout(value, PPQ_LAYOUT_PLAIN, NULL, &plain));
    ppq_array a;
    const ppq_status st = ppq_array_of(&plain, &a);
    if (st == PPQ_OK) {
        w->fn(w->user, v->name, &a);
        ppq_array_free(&a);
    }
    ppq_tensor_unref(&plain);
    return st;
}

static bool wants(void *user, const ppq_op *op, ppq_side side, int slot)
{
    (void) user;
    return side == PPQ_OUT && op->out[slot];
}

static ppq_status see(void *user, const ppq_op *op, ppq_side side, int slot, const ppq_tensor *raw,
                      const ppq_tensor *quant)
{
    (void) side;
    (void) raw;
    return show(user, op->out[slot], quant);
}

static ppq_status tapped(void *user, const ppq_var *v, const ppq_tensor *value)
{
    return v->is_input ? PPQ_OK : show(user, v, value);
}

// ---- running --------------------------------------------------------------------------------

static ppq_status run(ppq_net *n, const ppq_tensor *in, ppq_tensor *out, watcher *w)
{
    if (n->exec) {
        const ppq_exec_hook hook = { w, wants, see };
        return ppq_exec_run(n->exec, in, out, w->fn ? &hook : NULL, n->diag);
    }
    plan *p = NULL;
    const ppq_engine_tap tap = { w, NULL, tapped };
    PPQ_TRY(find_plan(n, in, &p));
    return ppq_engine_run(p->engine, in, out, w->fn ? &tap : NULL, n->o.profile ? p->seconds : NULL,
                          n->diag);
}

ppq_status ppq_net_run_tensors(ppq_net *n, const ppq_tensor *in, ppq_tensor *out)
{
    watcher w = { NULL, NULL };
    return run(n, in, out, &w);
}

// Of joined samples every output has a row each; a model that fixes its batch inside mixes them.
static ppq_status check_batch(const ppq_net *n, const ppq_tensor *in, const ppq_tensor *out)
{
    for (size_t i = 0; n->o.batch > 1 && i < ppq_net_n_outputs(n); i++)
        if (out[i].shape.rank < 1 || out[i].shape.dim[0] != in[0].shape.dim[0]) {
            char b[128];
            return ppq_fail(n->diag, PPQ_ERR_SHAPE,
                            (ppq_loc){ .stage = "--batch", .var = ppq_net_output(n, i) },
                            "the model fixes its batch: with --batch %lld output '%s' has shape %s",
                            (long long) in[0].shape.dim[0], ppq_net_output(n, i),
                            ppq_shape_str(&out[i].shape, b, sizeof(b)));
        }
    return PPQ_OK;
}

ppq_result ppq_net_run(ppq_net *n, const ppq_array *in, ppq_array *out, ppq_watch_fn watch,
                       void *user)
{
    const size_t ni = ppq_net_n_inputs(n), no = ppq_net_n_outputs(n);
    ppq_tensor *t = calloc(ni + no + 1, sizeof(*t));
    if (!t)
        return PPQ_RESULT_BAD;
    watcher w = { watch, user };
    ppq_status st = PPQ_OK;
    for (size_t i = 0; i < ni && st == PPQ_OK; i++)
        st = from_array(&in[i], &t[i]);
    if (st == PPQ_OK)
        st = run(n, t, t + ni, &w);
    if (st != PPQ_OK && n->o.batch > 1 && ni && in[0].dim[0] > 1)
        ppq_warn(n->diag, (ppq_loc){ .stage = "--batch" },
                 "the model may fix its batch inside, which rules out --batch");
    if (st == PPQ_OK && ni)
        st = check_batch(n, t, t + ni);
    size_t made = 0;
    for (; made < no && st == PPQ_OK; made++)
        st = hand_over(&t[ni + made], &out[made]);
    if (st != PPQ_OK)
        for (size_t i = 0; i + 1 < made; i++)
            ppq_array_free(&out[i]);
    for (size_t i = 0; i < ni + no; i++)
        ppq_tensor_unref(&t[i]);
    free(t);
    return ppq_result_of(st);
}

// ---- what the plan is -----------------------------------------------------------------------

const char *ppq_isa_in_use(int *exact)
{
    bool e;
    const char *name = ppq_engine_isa(&e);
    *exact = e;
    return name;
}

int ppq_net_get_info(const ppq_net *n, ppq_net_info *out)
{
    *out = (ppq_net_info){ .n_steps = 0 };
    if (!n->plans)
        return 0;
    const ppq_engine_info *i = ppq_engine_get_info(n->plans->engine);
    *out = (ppq_net_info){ .n_steps = i->n_steps,
                           .n_int8 = i->n_int8,
                           .n_fused = i->n_fused_ops,
                           .n_exact = i->n_exact,
                           .n_saturating = i->n_saturating,
                           .saturating = i->saturating,
                           .n_left_float = i->n_left_float,
                           .left_float = i->left_float,
                           .activation_bytes = i->arena_bytes,
                           .weight_bytes = i->weight_bytes };
    return 1;
}

int ppq_net_get_step(const ppq_net *n, size_t i, ppq_net_step *out)
{
    if (!n->plans || i >= ppq_engine_n_steps(n->plans->engine))
        return 0;
    const ppq_engine_step s = ppq_engine_get_step(n->plans->engine, i);
    *out = (ppq_net_step){ .op = s.op ? s.op->name : "",
                           .type = s.op ? s.op->type : "",
                           .kernel = s.kernel,
                           .int8 = s.int8,
                           .group = s.group,
                           .macs = s.macs,
                           .seconds = n->plans->seconds[i] };
    return 1;
}
