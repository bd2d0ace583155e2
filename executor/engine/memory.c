#include "executor/engine/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64, PADDING = 64 }; // a vector load at the last element is legal

// ---- dead steps -----------------------------------------------------------------------------

static bool is_wanted(const ppq_plan *p, const ppq_step *s, const bool *read)
{
    for (int i = 0; i < s->n_out; i++) {
        if (s->out[i] == PPQ_NO_VALUE)
            continue;
        const ppq_value *v = p->values[s->out[i]];
        if (read[v->id] || (v->var && v->tapped && p->o.tapped && p->o.tapped[v->var->id]))
            return true;
    }
    return false;
}

// Reading an alias is reading the value it stands for.
static void mark(const ppq_plan *p, int32_t value, bool *read)
{
    for (; value != PPQ_NO_VALUE; value = p->values[value]->of)
        read[value] = true;
}

static void drop_dead(ppq_plan *p)
{
    bool *read = ppq_new_n(p->arena, bool, p->n_values + 1);
    for (int32_t i = 0; i < p->g->n_outputs; i++)
        mark(p, p->outputs[i], read);
    for (size_t i = p->n_steps; i-- > 0;) {
        ppq_step *s = p->steps[i];
        s->dead = !is_wanted(p, s, read);
        for (int k = 0; k < s->n_in && !s->dead; k++)
            mark(p, s->in[k], read);
    }
    size_t n = 0;
    for (size_t i = 0; i < p->n_steps; i++)
        if (!p->steps[i]->dead)
            p->steps[n++] = p->steps[i];
        else
            ppq_step_fini(p->steps[i]);
    p->n_steps = n;
}

static void renumber_writers(ppq_plan *p)
{
    for (size_t i = 0; i < p->n_values; i++)
        p->values[i]->writer = PPQ_NO_VALUE;
    for (size_t i = 0; i < p->n_steps; i++)
        for (int k = 0; k < p->steps[i]->n_out; k++)
            if (p->steps[i]->out[k] != PPQ_NO_VALUE)
                p->values[p->steps[i]->out[k]]->writer = (int32_t) i;
    for (size_t i = 0; i < p->n_values; i++) {
        ppq_value *v = p->values[i];
        if (v->writer == PPQ_NO_VALUE && v->of != PPQ_NO_VALUE)
            v->writer = p->values[v->of]->writer;
    }
}

// ---- lifetimes ------------------------------------------------------------------------------

static void touch(ppq_plan *p, int32_t value, int32_t step)
{
    if (value == PPQ_NO_VALUE)
        return;
    ppq_storage *s = p->storages[p->values[value]->storage];
    if (s->first == PPQ_NO_VALUE)
        s->first = step;
    s->last = step;
}

static void find_lifetimes(ppq_plan *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        for (int k = 0; k < p->steps[i]->n_in; k++)
            touch(p, p->steps[i]->in[k], (int32_t) i);
        for (int k = 0; k < p->steps[i]->n_out; k++)
            touch(p, p->steps[i]->out[k], (int32_t) i);
    }
    for (int32_t i = 0; i < p->g->n_outputs; i++)
        touch(p, p->outputs[i], (int32_t) p->n_steps);
}

// ---- offsets --------------------------------------------------------------------------------

typedef struct hole {
    size_t at, bytes;
} hole;

typedef struct space {
    hole *holes; // by address, never touching each other
    size_t n, cap, end;
} space;

static size_t take(space *s, size_t bytes)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->holes[i].bytes < bytes)
            continue;
        const size_t at = s->holes[i].at;
        s->holes[i].at += bytes;
        s->holes[i].bytes -= bytes;
        if (!s->holes[i].bytes) {
            memmove(s->holes + i, s->holes + i + 1, (s->n - i - 1) * sizeof(hole));
            s->n--;
        }
        return at;
    }
    const size_t at = s->end;
    s->end += bytes;
    return at;
}

static void give(space *s, size_t at, size_t bytes)
{
    size_t i = 0;
    while (i < s->n && s->holes[i].at < at)
        i++;
    const bool before = i > 0 && s->holes[i - 1].at + s->holes[i - 1].bytes == at;
    const bool after = i < s->n && at + bytes == s->holes[i].at;
    if (before && after) {
        s->holes[i - 1].bytes += bytes + s->holes[i].bytes;
        memmove(s->holes + i, s->holes + i + 1, (s->n - i - 1) * sizeof(hole));
        s->n--;
    } else if (before) {
        s->holes[i - 1].bytes += bytes;
    } else if (after) {
        s->holes[i].at = at;
        s->holes[i].bytes += bytes;
    } else {
        if (s->n == s->cap) {
            s->cap = 2 * s->cap + 16;
            s->holes = realloc(s->holes, s->cap * sizeof(hole));
            if (!s->holes)
                abort();
        }
        memmove(s->holes + i + 1, s->holes + i, (s->n - i) * sizeof(hole));
        s->holes[i] = (hole){ at, bytes };
        s->n++;
    }
}

static size_t room(const ppq_storage *s)
{
    return (s->bytes + PADDING + ALIGN - 1) / ALIGN * ALIGN;
}

static bool planned(const ppq_storage *s)
{
    return s->kind == PPQ_STORAGE_ARENA && s->first != PPQ_NO_VALUE;
}

// Storages by the step that begins or ends them, as linked lists.
static void place(ppq_plan *p)
{
    int32_t *begin = ppq_new_n(p->arena, int32_t, p->n_steps + 2);
    int32_t *end = ppq_new_n(p->arena, int32_t, p->n_steps + 2);
    int32_t *next_begin = ppq_new_n(p->arena, int32_t, p->n_storages + 1);
    int32_t *next_end = ppq_new_n(p->arena, int32_t, p->n_storages + 1);
    for (size_t i = 0; i < p->n_steps + 2; i++)
        begin[i] = end[i] = PPQ_NO_VALUE;
    for (size_t i = p->n_storages; i-- > 0;) {
        const ppq_storage *s = p->storages[i];
        if (!planned(s))
            continue;
        next_begin[i] = begin[s->first];
        begin[s->first] = (int32_t) i;
        next_end[i] = end[s->last];
        end[s->last] = (int32_t) i;
    }
    space sp = { .holes = NULL };
    for (size_t t = 0; t <= p->n_steps; t++) {
        for (int32_t i = begin[t]; i != PPQ_NO_VALUE; i = next_begin[i])
            p->storages[i]->offset = take(&sp, room(p->storages[i]));
        for (int32_t i = end[t]; i != PPQ_NO_VALUE; i = next_end[i])
            give(&sp, p->storages[i]->offset, room(p->storages[i]));
    }
    p->arena_bytes = sp.end;
    free(sp.holes);
}

void ppq_plan_memory(ppq_plan *p)
{
    drop_dead(p);
    renumber_writers(p);
    find_lifetimes(p);
    place(p);
    // Steps run one after the other and share their scratch, but for those of a group.
    size_t at = 0;
    for (size_t i = 0; i < p->n_steps; i++) {
        ppq_step *s = p->steps[i];
        at = i && s->group && s->group == p->steps[i - 1]->group ? at : 0;
        s->scratch_at = at;
        const size_t bytes = s->scratch + s->thread_scratch * (size_t) p->o.n_threads;
        assert(s->thread_scratch % ALIGN == 0);
        at += (bytes + PADDING + ALIGN - 1) / ALIGN * ALIGN;
        p->scratch_bytes = PPQ_MAX(p->scratch_bytes, at);
    }
}
