#include "executor/engine/run.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "executor/exec.h"

// A call is everything one run needs beside the plan: memory, oneDNN's bound arguments, scratch.
// Calls are kept and used again.
struct ppq_call {
    ppq_call *next;
    const ppq_plan *p;
    unsigned char *arena, *scratch;
    ppq_tensor *tensor;   // per value: borrowed from the arena, held, or the feed
    ppq_dnnl_call **dnnl; // per step; NULL where there is none
    ppq_arena *small;
    ppq_pool *pool; // the engine's
    ppq_diag *d;
};

struct ppq_engine {
    ppq_plan *plan;
    ppq_pool *pool;
    pthread_mutex_t lock;
    ppq_call *idle;
    int32_t **drop; // per step: HELD values that die with it, ending with PPQ_NO_VALUE
    int32_t **seen; // per step (and first of all the feeds): values a tap sees, likewise
};

enum { ALIGN = 64 };

// ---- what steps see -------------------------------------------------------------------------

void *ppq_call_data(const ppq_call *c, int32_t value)
{
    return ppq_tensor_data(&c->tensor[value]);
}

const ppq_tensor *ppq_call_tensor(ppq_call *c, int32_t value)
{
    return &c->tensor[value];
}

void *ppq_call_scratch(const ppq_call *c, const ppq_step *s)
{
    // Behind that of the threads.
    return c->scratch + s->scratch_at + s->thread_scratch * (size_t) ppq_call_threads(c);
}

int ppq_call_threads(const ppq_call *c)
{
    return c->p->o.n_threads;
}

ppq_isa ppq_call_isa(const ppq_call *c)
{
    return c->p->isa;
}

ppq_diag *ppq_call_diag(const ppq_call *c)
{
    return c->d;
}

ppq_arena *ppq_call_arena(const ppq_call *c)
{
    return c->small;
}

ppq_pool *ppq_call_pool(const ppq_call *c)
{
    return c->pool;
}

void ppq_call_hold(ppq_call *c, int32_t value, ppq_tensor *take)
{
    ppq_tensor_unref(&c->tensor[value]);
    c->tensor[value] = *take;
    *take = (ppq_tensor){ 0 };
}

// Cuts [0, n) into at most one piece per thread, all but the last of the same size.
typedef struct pieces {
    int64_t n, size, count;
} pieces;

static pieces cut(const ppq_call *c, int64_t n)
{
    const int64_t threads = ppq_call_threads(c);
    const int64_t size = PPQ_MAX((n + threads - 1) / threads, (int64_t) 1);
    return (pieces){ n, size, (n + size - 1) / size };
}

static int64_t begin_of(const pieces *p, int64_t i)
{
    return PPQ_MIN(i * p->size, p->n);
}

typedef struct split_job {
    pieces pieces;
    void (*fn)(void *user, int64_t begin, int64_t end);
    void *user;
} split_job;

static void split_piece(void *user, int64_t i, int worker)
{
    (void) worker;
    const split_job *j = user;
    j->fn(j->user, begin_of(&j->pieces, i), begin_of(&j->pieces, i + 1));
}

void ppq_call_split(const ppq_call *c, int64_t n,
                    void (*fn)(void *user, int64_t begin, int64_t end), void *user)
{
    split_job j = { cut(c, n), fn, user };
    ppq_dnnl_parallel(ppq_call_threads(c), j.pieces.count, split_piece, &j);
}

typedef struct rows_job {
    pieces pieces;
    void (*fn)(const ppq_rows *x, int64_t begin, int64_t end);
    ppq_rows rows; // scratch is the first piece's
    size_t thread_scratch;
} rows_job;

// No two pieces share scratch memory, whichever threads they run on.
static void rows_piece(void *user, int64_t i, int worker)
{
    (void) worker;
    const rows_job *j = user;
    ppq_rows x = j->rows;
    x.scratch += (size_t) i * j->thread_scratch;
    j->fn(&x, begin_of(&j->pieces, i), begin_of(&j->pieces, i + 1));
}

ppq_status ppq_call_rows(ppq_call *c, const ppq_step *s, int64_t n,
                         void (*fn)(const ppq_rows *x, int64_t begin, int64_t end))
{
    const bool two = s->n_in > 1 && s->in[1] != PPQ_NO_VALUE;
    rows_job j = { .pieces = cut(c, n),
                   .fn = fn,
                   .rows = { .state = s->state,
                             .src = ppq_call_data(c, s->in[0]),
                             .src_1 = two ? ppq_call_data(c, s->in[1]) : NULL,
                             .dst = ppq_call_data(c, s->out[0]),
                             .scratch = c->scratch + s->scratch_at },
                   .thread_scratch = s->thread_scratch };
    ppq_dnnl_parallel(ppq_call_threads(c), j.pieces.count, rows_piece, &j);
    return PPQ_OK;
}

// ---- oneDNN steps ---------------------------------------------------------------------------

static void *bound_data(const ppq_call *c, const ppq_bind *b)
{
    unsigned char *data =
        b->value != PPQ_NO_VALUE ? ppq_call_data(c, b->value) : ppq_tensor_data(b->constant);
    return data + b->offset;
}

static ppq_status bind_all(const ppq_step *s, const ppq_call *c, ppq_dnnl_call *call)
{
    for (int i = 0; i < s->n_bind; i++)
        PPQ_TRY(ppq_dnnl_call_set(call, s->bind[i].arg, bound_data(c, &s->bind[i])));
    return s->scratch ? ppq_dnnl_call_set(call, PPQ_DNNL_SCRATCH, ppq_call_scratch(c, s)) : PPQ_OK;
}

static ppq_status run_dnnl(const ppq_step *s, ppq_call *c)
{
    ppq_dnnl_call *call = c->dnnl[s->index];
    if (s->rebind)
        for (int i = 0; i < s->n_bind; i++)
            if (s->bind[i].value != PPQ_NO_VALUE)
                PPQ_TRY(ppq_dnnl_call_set(call, s->bind[i].arg, bound_data(c, &s->bind[i])));
    return ppq_dnnl_call_run(call);
}

ppq_step *ppq_plan_add_dnnl(ppq_plan *p, const ppq_op *op, const char *kernel,
                            ppq_dnnl_op *take_dnnl, const int32_t *in, int n_in, const int32_t *out,
                            int n_out)
{
    ppq_step *s = ppq_plan_add_step(
        p, op, ppq_arena_printf(p->arena, "%s %s", kernel, ppq_dnnl_impl(take_dnnl)), run_dnnl, in,
        n_in, out, n_out);
    s->dnnl = take_dnnl;
    s->scratch = ppq_dnnl_scratch_bytes(take_dnnl);
    return s;
}

void ppq_step_bind(ppq_step *s, int arg, int32_t value)
{
    assert(s->n_bind < PPQ_STEP_BINDS);
    s->bind[s->n_bind++] = (ppq_bind){ .arg = arg, .value = value };
}

void ppq_step_bind_part(ppq_step *s, int arg, int32_t value, size_t offset)
{
    ppq_step_bind(s, arg, value);
    s->bind[s->n_bind - 1].offset = offset;
}

void ppq_step_bind_const(ppq_step *s, int arg, const ppq_tensor *constant)
{
    assert(s->n_bind < PPQ_STEP_BINDS);
    s->bind[s->n_bind++] = (ppq_bind){ .arg = arg, .value = PPQ_NO_VALUE, .constant = constant };
}

// ---- calls ----------------------------------------------------------------------------------

static void call_destroy(ppq_call *c)
{
    const ppq_plan *p = c->p;
    for (size_t i = 0; c->dnnl && i < p->n_steps; i++)
        ppq_dnnl_call_destroy(c->dnnl[i]);
    for (size_t i = 0; c->tensor && i < p->n_values; i++)
        ppq_tensor_unref(&c->tensor[i]);
    free(c->arena);
    free(c->scratch);
    free(c->tensor);
    free(c->dnnl);
    ppq_arena_destroy(c->small);
    free(c);
}

static ppq_status borrow_tensors(ppq_call *c)
{
    const ppq_plan *p = c->p;
    for (size_t i = 0; i < p->n_values; i++) {
        const ppq_value *v = p->values[i];
        const ppq_storage *s = p->storages[v->storage];
        if (s->kind == PPQ_STORAGE_ARENA && s->first != PPQ_NO_VALUE) {
            PPQ_TRY(ppq_tensor_borrow(&c->tensor[i], v->dtype, &v->shape, c->arena + s->offset,
                                      NULL, NULL));
            c->tensor[i].layout = v->layout;
        } else if (s->kind == PPQ_STORAGE_CONST) {
            c->tensor[i] = ppq_tensor_ref(&s->constant);
            c->tensor[i].shape = v->shape;
        }
    }
    return PPQ_OK;
}

static ppq_status make_dnnl_calls(ppq_call *c)
{
    for (size_t i = 0; i < c->p->n_steps; i++) {
        const ppq_step *s = c->p->steps[i];
        if (!s->dnnl || s->run != run_dnnl)
            continue;
        PPQ_TRY(ppq_dnnl_call_create(s->dnnl, &c->dnnl[i]));
        PPQ_TRY(bind_all(s, c, c->dnnl[i]));
    }
    return PPQ_OK;
}

static void set_feeds(ppq_call *c, const ppq_tensor *feeds)
{
    for (size_t i = 0; i < c->p->n_values; i++) {
        const ppq_value *v = c->p->values[i];
        const ppq_storage *s = c->p->storages[v->storage];
        if (s->kind != PPQ_STORAGE_FEED)
            continue;
        ppq_tensor_unref(&c->tensor[i]);
        if (!feeds)
            continue;
        c->tensor[i] = ppq_tensor_ref(&feeds[s->feed]);
        c->tensor[i].shape = v->shape;
        c->tensor[i].layout = v->layout;
    }
}

static ppq_status call_create(ppq_engine *e, const ppq_tensor *feeds, ppq_call **out)
{
    const ppq_plan *p = e->plan;
    ppq_call *c = calloc(1, sizeof(*c));
    if (!c)
        return PPQ_ERR_NOMEM;
    c->p = p;
    c->pool = e->pool;
    c->small = ppq_arena_create("call");
    c->tensor = calloc(p->n_values + 1, sizeof(*c->tensor));
    c->dnnl = calloc(p->n_steps + 1, sizeof(*c->dnnl));
    const size_t scratch = (p->scratch_bytes + ALIGN) / ALIGN * ALIGN;
    c->arena = aligned_alloc(ALIGN, PPQ_MAX(p->arena_bytes, (size_t) ALIGN));
    c->scratch = aligned_alloc(ALIGN, PPQ_MAX(scratch, (size_t) ALIGN));
    ppq_status st = c->tensor && c->dnnl && c->arena && c->scratch ? PPQ_OK : PPQ_ERR_NOMEM;
    if (st == PPQ_OK) {
        set_feeds(c, feeds);
        st = borrow_tensors(c);
    }
    if (st == PPQ_OK)
        st = make_dnnl_calls(c);
    if (st != PPQ_OK) {
        call_destroy(c);
        return st;
    }
    *out = c;
    return PPQ_OK;
}

static ppq_status call_get(ppq_engine *e, const ppq_tensor *feeds, ppq_call **out)
{
    pthread_mutex_lock(&e->lock);
    ppq_call *c = e->idle;
    if (c)
        e->idle = c->next;
    pthread_mutex_unlock(&e->lock);
    if (!c)
        return call_create(e, feeds, out);
    set_feeds(c, feeds);
    *out = c;
    return PPQ_OK;
}

static void call_put(ppq_engine *e, ppq_call *c)
{
    set_feeds(c, NULL);
    for (size_t i = 0; i < c->p->n_values; i++)
        if (c->p->storages[c->p->values[i]->storage]->kind == PPQ_STORAGE_HELD)
            ppq_tensor_unref(&c->tensor[i]);
    pthread_mutex_lock(&e->lock);
    c->next = e->idle;
    e->idle = c;
    pthread_mutex_unlock(&e->lock);
}

// ---- the processor --------------------------------------------------------------------------

bool ppq_engine_cap_isa(ppq_isa isa)
{
    return ppq_dnnl_cap_isa(isa == PPQ_ISA_PORTABLE ? PPQ_DNNL_ISA_SSE41
                            : isa == PPQ_ISA_AVX2   ? PPQ_DNNL_ISA_AVX2
                            : isa == PPQ_ISA_AVX512 ? PPQ_DNNL_ISA_AVX512
                                                    : PPQ_DNNL_ISA_VNNI);
}

const char *ppq_engine_isa(bool *exact)
{
    *exact = ppq_dnnl_exact_u8s8();
    return ppq_dnnl_isa_name();
}

// ---- engines --------------------------------------------------------------------------------

// One list of values per step: those for which `belongs` says so, by the step of `at`.
static int32_t **lists(ppq_plan *p, bool (*belongs)(const ppq_plan *p, const ppq_value *v),
                       int32_t (*at)(const ppq_plan *p, const ppq_value *v))
{
    const size_t n = p->n_steps + 2;
    size_t *count = ppq_new_n(p->arena, size_t, n);
    int32_t **list = ppq_new_n(p->arena, int32_t *, n);
    for (size_t i = 0; i < p->n_values; i++)
        if (belongs(p, p->values[i]))
            count[at(p, p->values[i]) + 1]++;
    for (size_t t = 0; t < n; t++) {
        list[t] = ppq_new_n(p->arena, int32_t, count[t] + 1);
        list[t][count[t]] = PPQ_NO_VALUE;
        count[t] = 0;
    }
    for (size_t i = 0; i < p->n_values; i++)
        if (belongs(p, p->values[i])) {
            const int32_t t = at(p, p->values[i]) + 1;
            list[t][count[t]++] = (int32_t) i;
        }
    return list;
}

static const ppq_storage *storage_of(const ppq_plan *p, const ppq_value *v)
{
    return p->storages[v->storage];
}

static bool is_held(const ppq_plan *p, const ppq_value *v)
{
    return storage_of(p, v)->kind == PPQ_STORAGE_HELD && storage_of(p, v)->first != PPQ_NO_VALUE;
}

static int32_t last_step(const ppq_plan *p, const ppq_value *v)
{
    return storage_of(p, v)->last;
}

static bool is_seen(const ppq_plan *p, const ppq_value *v)
{
    const ppq_storage *s = storage_of(p, v);
    return v->var && v->tapped &&
           (s->kind == PPQ_STORAGE_FEED || (s->kind != PPQ_STORAGE_CONST && v->writer >= 0));
}

static int32_t written_at(const ppq_plan *p, const ppq_value *v)
{
    (void) p;
    return v->writer;
}

static void finish_steps(ppq_plan *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        ppq_step *s = p->steps[i];
        s->index = (int32_t) i;
        for (int k = 0; k < s->n_bind; k++)
            if (s->bind[k].value != PPQ_NO_VALUE) {
                const ppq_storage *st = storage_of(p, p->values[s->bind[k].value]);
                s->rebind |= st->kind == PPQ_STORAGE_FEED || st->kind == PPQ_STORAGE_HELD;
            }
    }
}

ppq_status ppq_engine_create(const ppq_graph *g, const ppq_engine_opts *o, ppq_engine **out,
                             ppq_diag *d)
{
    ppq_plan *p;
    PPQ_TRY(ppq_plan_create(g, o, &p, d));
    ppq_engine *e = calloc(1, sizeof(*e));
    if (!e)
        abort();
    e->plan = p;
    e->pool = ppq_pool_create();
    pthread_mutex_init(&e->lock, NULL);
    finish_steps(p);
    e->drop = lists(p, is_held, last_step);
    e->seen = lists(p, is_seen, written_at);
    *out = e;
    return PPQ_OK;
}

void ppq_engine_destroy(ppq_engine *e)
{
    if (!e)
        return;
    while (e->idle) {
        ppq_call *next = e->idle->next;
        call_destroy(e->idle);
        e->idle = next;
    }
    ppq_plan_destroy(e->plan);
    ppq_pool_destroy(e->pool);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

const ppq_engine_info *ppq_engine_get_info(const ppq_engine *e)
{
    return &e->plan->info;
}

size_t ppq_engine_n_steps(const ppq_engine *e)
{
    return e->plan->n_steps;
}

ppq_engine_step ppq_engine_get_step(const ppq_engine *e, size_t i)
{
    const ppq_step *s = e->plan->steps[i];
    return (ppq_engine_step){ s->op, s->kernel, s->int8, (int) s->group, s->macs };
}

// ---- running --------------------------------------------------------------------------------

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static ppq_status show(const ppq_call *c, int32_t value, const ppq_engine_tap *tap)
{
    const ppq_value *v = c->p->values[value];
    if (tap->wants && !tap->wants(tap->user, v->var))
        return PPQ_OK;
    const ppq_tensor *t = &c->tensor[value];
    if (!v->flipped)
        return tap->see(tap->user, v->var, t);
    ppq_tensor raw;
    PPQ_TRY(ppq_tensor_alloc_pool(&raw, PPQ_DT_I8, &t->shape, c->pool));
    raw.layout = t->layout;
    const unsigned char *from = ppq_tensor_data(t);
    unsigned char *to = ppq_tensor_data(&raw);
    for (size_t i = 0; i < ppq_tensor_bytes(&raw); i++)
        to[i] = from[i] ^ 0x80;
    const ppq_status st = tap->see(tap->user, v->var, &raw);
    ppq_tensor_unref(&raw);
    return st;
}

static ppq_status show_all(const ppq_call *c, const int32_t *values, const ppq_engine_tap *tap)
{
    for (; tap && *values != PPQ_NO_VALUE; values++)
        PPQ_TRY(show(c, *values, tap));
    return PPQ_OK;
}

typedef struct group_run {
    const ppq_plan *p;
    ppq_call *c;
    size_t first;
    atomic_int status;
} group_run;

static void run_member(void *user, int64_t i, int worker)
{
    (void) worker;
    group_run *g = user;
    const ppq_step *s = g->p->steps[g->first + (size_t) i];
    const ppq_status st = s->run(s, g->c);
    if (st != PPQ_OK)
        atomic_store(&g->status, (int) st);
}

// Runs step i, or the whole group that it begins; *n is how many that were.
static ppq_status run_group(const ppq_plan *p, ppq_call *c, size_t i, size_t *n)
{
    const int32_t group = p->steps[i]->group;
    for (*n = 1; group && i + *n < p->n_steps && p->steps[i + *n]->group == group;)
        ++*n;
    if (*n == 1)
        return p->steps[i]->run(p->steps[i], c);
    group_run g = { .p = p, .c = c, .first = i };
    ppq_dnnl_parallel(p->o.n_threads, (int64_t) *n, run_member, &g);
    return (ppq_status) atomic_load(&g.status);
}

static ppq_status after_step(const ppq_engine *e, ppq_call *c, size_t i, const ppq_engine_tap *tap)
{
    PPQ_TRY(show_all(c, e->seen[i + 1], tap));
    for (const int32_t *v = e->drop[i + 1]; *v != PPQ_NO_VALUE; v++)
        ppq_tensor_unref(&c->tensor[*v]);
    return PPQ_OK;
}

static ppq_status run_steps(const ppq_engine *e, ppq_call *c, const ppq_engine_tap *tap,
                            double *seconds)
{
    const ppq_plan *p = e->plan;
    PPQ_TRY(show_all(c, e->seen[0], tap));
    double before = seconds ? now() : 0;
    for (size_t i = 0, n; i < p->n_steps; i += n) {
        const ppq_step *s = p->steps[i];
        const ppq_status st = run_group(p, c, i, &n);
        ppq_arena_reset(c->small);
        if (st != PPQ_OK)
            return ppq_diag_count(c->d, PPQ_SEV_ERROR)
                       ? st
                       : ppq_fail(c->d, st, (ppq_loc){ .stage = "run", .op = s->op->name },
                                  "step '%s' failed", s->kernel);
        if (seconds) {
            const double after = now();
            seconds[i] += after - before;
            before = after;
        }
        for (size_t k = i; k < i + n; k++)
            PPQ_TRY(after_step(e, c, k, tap));
    }
    return PPQ_OK;
}

static ppq_status fetch(const ppq_engine *e, const ppq_call *c, ppq_tensor *fetches)
{
    for (int32_t i = 0; i < e->plan->g->n_outputs; i++) {
        const int32_t id = e->plan->outputs[i];
        const ppq_tensor *t = &c->tensor[id];
        const ppq_storage_kind kind = storage_of(e->plan, e->plan->values[id])->kind;
        if (kind == PPQ_STORAGE_HELD || kind == PPQ_STORAGE_CONST || kind == PPQ_STORAGE_FEED) {
            fetches[i] = ppq_tensor_ref(t);
            continue;
        }
        PPQ_TRY(ppq_tensor_alloc_pool(&fetches[i], t->dtype, &t->shape, c->pool));
        memcpy(ppq_tensor_data(&fetches[i]), ppq_tensor_data(t), ppq_tensor_bytes(t));
    }
    return PPQ_OK;
}

ppq_status ppq_engine_run(ppq_engine *e, const ppq_tensor *feeds, ppq_tensor *fetches,
                          const ppq_engine_tap *tap, double *seconds, ppq_diag *d)
{
    const ppq_graph *g = e->plan->g;
    for (int32_t i = 0; i < g->n_inputs; i++) {
        const ppq_var *v = g->inputs[i];
        PPQ_TRY(ppq_exec_check_feed(v, &e->plan->shape[v->id], &feeds[i], d));
    }
    ppq_call *c;
    const int before = ppq_dnnl_get_threads();
    ppq_dnnl_set_threads(e->plan->o.n_threads);
    ppq_status st = call_get(e, feeds, &c);
    if (st == PPQ_OK) {
        c->d = d;
        for (int32_t i = 0; i < g->n_outputs; i++)
            fetches[i] = (ppq_tensor){ 0 };
        st = run_steps(e, c, tap, seconds);
        if (st == PPQ_OK)
            st = fetch(e, c, fetches);
        if (st != PPQ_OK)
            for (int32_t i = 0; i < g->n_outputs; i++)
                ppq_tensor_unref(&fetches[i]);
        call_put(e, c);
    } else {
        (void) ppq_fail(d, st, (ppq_loc){ .stage = "run" },
                        "no memory for a run: %zu bytes are needed",
                        e->plan->arena_bytes + e->plan->scratch_bytes);
    }
    ppq_dnnl_set_threads(before);
    return st;
}
