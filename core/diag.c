#include "core/diag.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/arena.h"

struct ppq_diag {
    pthread_mutex_t lock;
    ppq_arena *arena;
    ppq_diag_item *items;
    size_t n, cap;
    void (*sink)(void *user, const ppq_diag_item *item);
    void *user;
};

const char *ppq_status_name(ppq_status s)
{
    static const char *const names[PPQ_STATUS_COUNT] = {
        [PPQ_OK] = "ok",
        [PPQ_ERR_ARG] = "bad-argument",
        [PPQ_ERR_MODEL] = "bad-model",
        [PPQ_ERR_UNSUPPORTED] = "unsupported",
        [PPQ_ERR_SHAPE] = "shape-mismatch",
        [PPQ_ERR_STATE] = "bad-state",
        [PPQ_ERR_NUMERIC] = "numeric",
        [PPQ_ERR_DATA] = "bad-data",
        [PPQ_ERR_IO] = "io",
        [PPQ_ERR_NOMEM] = "no-memory",
    };
    return (unsigned) s < PPQ_STATUS_COUNT && names[s] ? names[s] : "?";
}

ppq_diag *ppq_diag_create(void (*sink)(void *user, const ppq_diag_item *item), void *user)
{
    ppq_arena *a = ppq_arena_create("diag");
    ppq_diag *d = ppq_new(a, ppq_diag);
    *d = (ppq_diag){ .arena = a, .sink = sink, .user = user };
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

void ppq_diag_destroy(ppq_diag *d)
{
    if (!d)
        return;
    pthread_mutex_destroy(&d->lock);
    free(d->items);
    ppq_arena_destroy(d->arena);
}

// Names may belong to a graph that dies before the message is read.
static void copy_loc(ppq_diag *d, ppq_loc *l)
{
    const char **fields[] = { &l->stage, &l->op, &l->var };
    for (size_t i = 0; i < PPQ_COUNT(fields); i++)
        if (*fields[i])
            *fields[i] = ppq_arena_printf(d->arena, "%s", *fields[i]);
}

static void PPQ_PRINTF(5, 0)
    push(ppq_diag *d, ppq_severity sev, ppq_status code, ppq_loc loc, const char *fmt, va_list ap)
{
    if (!d)
        return;
    char buf[512];
    vsnprintf(buf, sizeof(buf), fmt, ap);
    pthread_mutex_lock(&d->lock);
    if (d->n == d->cap) {
        d->cap = d->cap ? 2 * d->cap : 16;
        d->items = realloc(d->items, d->cap * sizeof(*d->items));
        if (!d->items)
            abort();
    }
    // Messages outlive the graph they are about.
    if (loc.op)
        loc.op = ppq_arena_printf(d->arena, "%s", loc.op);
    if (loc.var)
        loc.var = ppq_arena_printf(d->arena, "%s", loc.var);
    d->items[d->n] = (ppq_diag_item){ sev, code, loc, ppq_arena_printf(d->arena, "%s", buf) };
    copy_loc(d, &d->items[d->n].loc);
    if (d->sink)
        d->sink(d->user, &d->items[d->n]);
    d->n++;
    pthread_mutex_unlock(&d->lock);
}

ppq_status ppq_fail(ppq_diag *d, ppq_status code, ppq_loc loc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    push(d, PPQ_SEV_ERROR, code, loc, fmt, ap);
    va_end(ap);
    return code;
}

void ppq_warn(ppq_diag *d, ppq_loc loc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    push(d, PPQ_SEV_WARN, PPQ_OK, loc, fmt, ap);
    va_end(ap);
}

size_t ppq_diag_count(const ppq_diag *d, ppq_severity at_least)
{
    size_t n = 0;
    for (size_t i = 0; d && i < d->n; i++)
        n += d->items[i].severity >= at_least;
    return n;
}

const ppq_diag_item *ppq_diag_at(const ppq_diag *d, size_t i)
{
    return &d->items[i];
}
