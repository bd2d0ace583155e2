#include "scheduler/trace.h"

#include <string.h>

ppq_op_set ppq_op_set_new(const ppq_trace *t)
{
    return (ppq_op_set){ ppq_new_n(t->scratch, bool, t->g->n_ops + 1), 0 };
}

void ppq_op_set_add(ppq_op_set *s, const ppq_op *op)
{
    s->n += !s->has[op->id];
    s->has[op->id] = true;
}

void ppq_op_set_remove(ppq_op_set *s, const ppq_op *op)
{
    s->n -= s->has[op->id];
    s->has[op->id] = false;
}

size_t ppq_op_set_union(const ppq_trace *t, ppq_op_set *a, const ppq_op_set *b)
{
    const size_t before = a->n;
    for (size_t i = 0; i < t->g->n_ops; i++)
        if (b->has[i])
            ppq_op_set_add(a, t->g->ops[i]);
    return a->n - before;
}

const ppq_op *ppq_op_source(const ppq_op *op, int32_t slot)
{
    return slot < op->n_in && op->in[slot] ? op->in[slot]->producer.op : NULL;
}

bool ppq_op_is_boundary(const ppq_op *op)
{
    bool fed = false, read = false;
    for (int32_t k = 0; k < op->n_in && !fed; k++)
        fed |= ppq_op_source(op, k) != NULL;
    for (int32_t k = 0; k < op->n_out; k++)
        read |= op->out[k] && op->out[k]->n_uses > 0;
    return !fed || !read;
}

bool ppq_op_is_soi_source(const ppq_op *op)
{
    return ppq_op_has_trait(op, PPQ_OP_SOI_SOURCE);
}

bool ppq_op_is_soi_generator(const ppq_op *op)
{
    return ppq_op_is_soi_source(op) || ppq_op_is(op, "ConstantOfShape");
}

// Whether `to` takes values from `from` through an input that carries values.
static bool feeds_values(const ppq_op *from, const ppq_op *to)
{
    for (int32_t k = 0; k < to->n_in; k++)
        if (ppq_op_source(to, k) == from && ppq_op_in_plane(to, k) != PPQ_PLANE_SOI)
            return true;
    return false;
}

// An op with shape inputs moves the values of its data inputs only.
static bool has_soi_input(const ppq_op *op)
{
    return op->def && op->def->soi_in;
}

// Ops whose second input picks what is read from the first.
static bool has_index_input(const ppq_op *op)
{
    return op->def && op->def->fp32_in && !ppq_op_is(op, "Clip") && !ppq_op_is(op, "Where") &&
           !ppq_op_is_soi_source(op);
}

static bool moves_values(const ppq_op *from, const ppq_op *to)
{
    if (has_soi_input(to))
        return feeds_values(from, to);
    if (has_index_input(to)) {
        for (int32_t k = 0; k < to->n_in; k++)
            if (ppq_op_source(to, k) == from && ppq_op_in_plane(to, k) == PPQ_PLANE_DATA)
                return true;
        return false;
    }
    return true;
}

bool ppq_step_value(const void *ctx, const ppq_op *from, const ppq_op *to)
{
    (void) ctx;
    if (ppq_op_is(to, "TopK"))
        return true;
    if (ppq_op_is_soi_generator(to))
        return false;
    return moves_values(from, to);
}

bool ppq_step_value_reverse(const void *ctx, const ppq_op *from, const ppq_op *to)
{
    (void) ctx;
    if (ppq_op_is(to, "Shape") || ppq_op_is(to, "TopK"))
        return false;
    if (ppq_op_is(from, "NonMaxSuppression") || ppq_op_is(from, "Shape"))
        return false;
    return moves_values(to, from);
}

ppq_op_set ppq_soi_receivers(const ppq_trace *t)
{
    ppq_op_set s = ppq_op_set_new(t);
    for (size_t i = 0; i < t->g->n_ops; i++) {
        const ppq_op *op = t->g->ops[i];
        for (int32_t k = 0; k < op->n_in; k++)
            if (ppq_op_in_plane(op, k) != PPQ_PLANE_DATA && ppq_op_source(op, k))
                ppq_op_set_add(&s, ppq_op_source(op, k));
    }
    return s;
}

// ---- path search ----------------------------------------------------------------------------

// Neighbours of an op in one direction, one call per edge.
typedef struct walk {
    const ppq_trace *t;
    ppq_direction dir;
} walk;

static void for_neighbours(const walk *w, const ppq_op *op, bool against,
                           void (*fn)(void *user, const ppq_op *a, const ppq_op *b), void *user)
{
    if ((w->dir == PPQ_DOWN) != against) {
        for (int32_t k = 0; k < op->n_out; k++)
            for (int32_t u = 0; op->out[k] && u < op->out[k]->n_uses; u++)
                if (op->out[k]->uses[u].slot < op->out[k]->uses[u].op->n_in)
                    fn(user, op, op->out[k]->uses[u].op);
    } else {
        for (int32_t k = 0; k < op->n_in; k++)
            if (ppq_op_source(op, k))
                fn(user, op, ppq_op_source(op, k));
    }
}

typedef struct search {
    ppq_step_pred relay;
    ppq_op_pred end;
    const void *ctx;
    bool *reached, *good, *ended;
    const ppq_op **queue;
    size_t head, tail;
} search;

static void visit_forth(void *user, const ppq_op *from, const ppq_op *to)
{
    search *s = user;
    if (s->end(s->ctx, to)) {
        s->ended[to->id] = true;
        s->good[from->id] = true;
    } else if (!s->reached[to->id] && s->relay(s->ctx, from, to)) {
        s->reached[to->id] = true;
        s->queue[s->tail++] = to;
    }
}

// `to` precedes the good op `from` on the way.
static void visit_back(void *user, const ppq_op *from, const ppq_op *to)
{
    search *s = user;
    if (s->reached[to->id] && !s->good[to->id] && s->relay(s->ctx, to, from)) {
        s->good[to->id] = true;
        s->queue[s->tail++] = to;
    }
}

ppq_op_set ppq_trace_paths(const ppq_trace *t, ppq_op_pred start, ppq_step_pred relay,
                           ppq_op_pred end, const void *ctx, ppq_direction dir)
{
    const size_t n = t->g->n_ops + 1;
    const walk w = { t, dir };
    search s = { .relay = relay, .end = end, .ctx = ctx };
    s.reached = ppq_new_n(t->scratch, bool, n);
    s.good = ppq_new_n(t->scratch, bool, n);
    s.ended = ppq_new_n(t->scratch, bool, n);
    s.queue = ppq_new_n(t->scratch, const ppq_op *, n);
    for (size_t i = 0; i < t->g->n_ops; i++)
        if (start(ctx, t->g->ops[i])) {
            s.reached[i] = true;
            s.queue[s.tail++] = t->g->ops[i];
        }
    while (s.head < s.tail)
        for_neighbours(&w, s.queue[s.head++], false, visit_forth, &s);
    s.head = s.tail = 0;
    for (size_t i = 0; i < t->g->n_ops; i++)
        if (s.good[i])
            s.queue[s.tail++] = t->g->ops[i];
    while (s.head < s.tail) {
        const ppq_op *op = s.queue[s.head++];
        // An op that ends paths is good as a start only; nothing passes through it.
        if (!end(ctx, op))
            for_neighbours(&w, op, true, visit_back, &s);
    }
    ppq_op_set out = ppq_op_set_new(t);
    for (size_t i = 0; i < t->g->n_ops; i++)
        if (s.good[i] || s.ended[i])
            ppq_op_set_add(&out, t->g->ops[i]);
    return out;
}
