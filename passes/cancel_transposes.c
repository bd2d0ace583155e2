#include "passes/rewrite.h"

// A Transpose behind another is one of both orders, or none when it takes the other back. The
// latter also holds with element-wise functions of that one tensor in between.

enum { REACH = 8 };

typedef struct order {
    int n;
    int64_t at[PPQ_MAX_RANK]; // dimension i of the result is dimension at[i] of the input
} order;

static bool order_of(const ppq_op *op, order *out)
{
    if (!op || !ppq_op_is(op, "Transpose") || op->n_in != 1 || !op->in[0] || !op->out[0])
        return false;
    const int64_t *perm;
    const size_t n = ppq_op_attr_ints(op, "perm", &perm);
    const int rank = n ? (int) PPQ_MIN(n, (size_t) PPQ_MAX_RANK + 1) : op->in[0]->shape.rank;
    uint32_t seen = 0;
    out->n = rank;
    if (rank < 0 || rank > PPQ_MAX_RANK)
        return false;
    for (int i = 0; i < rank; i++) {
        out->at[i] = n ? perm[i] : rank - 1 - i;
        if (out->at[i] < 0 || out->at[i] >= rank)
            return false;
        seen |= 1u << out->at[i];
    }
    return seen == (1u << rank) - 1;
}

static bool is_identity(const order *o)
{
    for (int i = 0; i < o->n; i++)
        if (o->at[i] != i)
            return false;
    return true;
}

static bool join(const order *first, const order *second, order *both)
{
    both->n = first->n;
    for (int i = 0; i < first->n && first->n == second->n; i++)
        both->at[i] = first->at[second->at[i]];
    return first->n == second->n;
}

// Input slot of the only tensor that `op` is an element-wise function of; -1: it is none.
static int32_t only_tensor(const ppq_op *op)
{
    int32_t slot = -1;
    if (!ppq_op_has_trait(op, PPQ_OP_LAYOUT_FREE) || op->n_out != 1 || !op->out[0] ||
        op->n_implicit)
        return -1;
    for (int32_t k = 0; k < op->n_in; k++) {
        const ppq_var *v = op->in[k];
        if (!v || (ppq_var_is_const(v) && ppq_shape_numel(&v->value.shape) == 1 &&
                   v->value.shape.rank <= 1))
            continue;
        if (slot >= 0)
            return -1;
        slot = k;
    }
    return slot;
}

static void drop_unread(ppq_graph *g, ppq_op *op)
{
    if (!op->out[0]->n_uses && !op->out[0]->is_output)
        ppq_graph_remove_op(g, op);
}

static void permute(ppq_shape *s, const order *o)
{
    const ppq_shape old = *s;
    for (int i = 0; i < s->rank && s->rank == o->n; i++)
        s->dim[i] = old.dim[o->at[i]];
}

// x -> first -> between... -> last, where last takes first back.
static void skip_both(ppq_graph *g, ppq_op *first, ppq_op *const *between, int n, ppq_op *last,
                      const order *back)
{
    ppq_var *own[REACH];
    for (int i = 0; i < n; i++)
        own[i] = between[i]->out[0];
    if (!ppq_graph_bypass_op(g, last, 0, 0))
        return;
    for (int i = 0; i < n; i++)
        if (between[i]->out[0] == own[i]) // else it writes what `last` did
            permute(&own[i]->shape, back);
    ppq_op *reader = between[n - 1];
    ppq_graph_set_input(g, reader, only_tensor(reader), first->in[0]);
    drop_unread(g, first);
}

// Joins `op` with the Transpose before it, if there is one; true when another may follow.
static bool join_previous(ppq_graph *g, ppq_op *op, const order *mine)
{
    ppq_op *between[REACH], *before = op->in[0]->producer.op;
    const ppq_op *reader = op;
    order first, both;
    int n = 0;
    while (before && !ppq_op_is(before, "Transpose") && n < REACH) {
        const int32_t slot = only_tensor(before);
        if (slot < 0 || ppq_only_reader(before->out[0]) != reader)
            return false;
        between[n++] = before;
        reader = before;
        before = before->in[slot]->producer.op;
    }
    if (!order_of(before, &first) || !join(&first, mine, &both))
        return false;
    if (n > 0) {
        if (is_identity(&both))
            skip_both(g, before, between, n, op, mine);
        return false;
    }
    ppq_graph_set_input(g, op, 0, before->in[0]);
    ppq_op_set_ints(g, op, "perm", both.at, (size_t) both.n);
    drop_unread(g, before);
    return true;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_op **ops;
    size_t n;
    order o;
    PPQ_TRY(ppq_graph_topo(env->graph, env->scratch, &ops, &n, env->diag));
    for (size_t i = 0; i < n; i++) {
        while (!ops[i]->dead && order_of(ops[i], &o) && join_previous(env->graph, ops[i], &o))
            ;
        if (!ops[i]->dead && order_of(ops[i], &o) && is_identity(&o))
            (void) ppq_graph_bypass_op(env->graph, ops[i], 0, 0);
    }
    ppq_graph_compact(env->graph);
    return PPQ_OK;
}

const ppq_pass ppq_pass_cancel_transposes = {
    .name = "cancel-transposes",
    .summary = "join Transposes that follow each other",
    .needs = PPQ_FACT_NORMALIZED,
    .run = run,
};
