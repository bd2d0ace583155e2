#include <inttypes.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"
#include "executor/ops/stack.h"
#include "executor/subgraph.h"

// Runs a graph again and again: at most M times, and while its first output stays true. Some
// outputs are carried from round to round, the others are collected along a new first axis.

enum { LIMIT, CONDITION, STATE };

static ppq_status infer(ppq_infer_ctx *c)
{
    for (int i = 0; i < c->op->n_out && i + STATE < c->op->n_in; i++)
        c->out_dtype[i] = c->in_dtype[i + STATE];
    return PPQ_OK;
}

typedef struct loop {
    const ppq_subgraph *body;
    int32_t n_state, n_collected;
    ppq_tensor *in;  // [2 + n_state] round, condition, states; owned
    ppq_tensor *out; // [1 + n_state + n_collected] condition, states, values to collect; owned
    ppq_stack *stack;
} loop;

static ppq_status open_loop(ppq_kernel_ctx *c, loop *l)
{
    *l = (loop){ .n_state = c->op->n_in - STATE };
    if (l->n_state < 0)
        return ppq_kernel_fail(c, PPQ_ERR_MODEL, "it has %d inputs, expected at least 2",
                               c->op->n_in);
    PPQ_TRY(ppq_subgraph_find(c, "body", &l->body));
    const int32_t n_in = ppq_subgraph_n_in(l->body), n_out = ppq_subgraph_n_out(l->body);
    l->n_collected = n_out - 1 - l->n_state;
    if (n_in != STATE + l->n_state || l->n_collected < 0 || c->op->n_out > n_out - 1)
        return ppq_kernel_fail(c, PPQ_ERR_MODEL,
                               "the body has %d inputs and %d outputs, but it carries %d tensors "
                               "and has %d outputs",
                               n_in, n_out, l->n_state, c->op->n_out);
    l->in = ppq_new_n(c->scratch, ppq_tensor, (size_t) n_in);
    l->out = ppq_new_n(c->scratch, ppq_tensor, (size_t) n_out);
    l->stack = ppq_new_n(c->scratch, ppq_stack, (size_t) l->n_collected + 1);
    return PPQ_OK;
}

static void close_loop(loop *l)
{
    for (int32_t i = 0; l->in && i < STATE + l->n_state; i++)
        ppq_tensor_unref(&l->in[i]);
    for (int32_t i = 0; l->out && i < 1 + l->n_state + l->n_collected; i++)
        ppq_tensor_unref(&l->out[i]);
    for (int32_t i = 0; l->stack && i < l->n_collected; i++)
        ppq_stack_fini(&l->stack[i]);
}

static ppq_status read_flag(ppq_kernel_ctx *c, const ppq_tensor *t, bool *out)
{
    if (t->dtype != PPQ_DT_BOOL || ppq_shape_numel(&t->shape) != 1)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the condition is not one boolean");
    *out = *(const uint8_t *) ppq_tensor_data(t) != 0;
    return PPQ_OK;
}

static ppq_status scalar(ppq_kernel_ctx *c, ppq_dtype dt, int64_t v, ppq_tensor *out)
{
    const ppq_shape s = { .rank = 0 };
    ppq_tensor_unref(out);
    if (ppq_tensor_alloc_pool(out, dt, &s, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate a scalar");
    ppq_store_i64(out, 0, 1, &v);
    return PPQ_OK;
}

// One round; *more: the body wants another.
static ppq_status run_round(ppq_kernel_ctx *c, loop *l, int64_t round, bool *more)
{
    PPQ_TRY(scalar(c, PPQ_DT_I64, round, &l->in[0]));
    PPQ_TRY(scalar(c, PPQ_DT_BOOL, 1, &l->in[1]));
    PPQ_TRY(ppq_subgraph_run(c, l->body, l->in, l->out));
    PPQ_TRY(read_flag(c, &l->out[0], more));
    for (int32_t i = 0; i < l->n_state; i++) {
        ppq_tensor_unref(&l->in[STATE + i]);
        l->in[STATE + i] = l->out[1 + i];
        l->out[1 + i] = (ppq_tensor){ 0 };
    }
    for (int32_t i = 0; i < l->n_collected; i++) {
        ppq_tensor *t = &l->out[1 + l->n_state + i];
        PPQ_TRY(ppq_stack_push(c, &l->stack[i], t));
        ppq_tensor_unref(t);
    }
    ppq_tensor_unref(&l->out[0]);
    return PPQ_OK;
}

static ppq_status run_rounds(ppq_kernel_ctx *c, loop *l)
{
    const ppq_args a = ppq_args_run(c);
    int64_t limit = INT64_MAX, n;
    bool more = true;
    PPQ_TRY(ppq_args_ints(&a, LIMIT, &limit, 1, &n));
    if (n < 0)
        limit = INT64_MAX;
    if (c->in[CONDITION])
        PPQ_TRY(read_flag(c, c->in[CONDITION], &more));
    for (int32_t i = 0; i < l->n_state; i++) {
        if (!c->in[STATE + i])
            return ppq_kernel_fail(c, PPQ_ERR_MODEL, "carried input %d is left out", STATE + i);
        l->in[STATE + i] = ppq_tensor_ref(c->in[STATE + i]);
    }
    for (int64_t round = 0; more && round < limit; round++)
        PPQ_TRY(run_round(c, l, round, &more));
    return PPQ_OK;
}

static ppq_status store(ppq_kernel_ctx *c, loop *l)
{
    for (int32_t i = 0; i < c->op->n_out; i++) {
        if (i >= l->n_state) {
            const ppq_var *declared = ppq_subgraph_output(l->body, 1 + i);
            PPQ_TRY(ppq_stack_store(c, &l->stack[i - l->n_state], declared, 0, false, i));
            continue;
        }
        ppq_tensor_unref(&c->out[i]);
        c->out[i] = ppq_tensor_ref(&l->in[STATE + i]);
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    loop l;
    ppq_status st = open_loop(c, &l);
    if (st == PPQ_OK)
        st = run_rounds(c, &l);
    if (st == PPQ_OK)
        st = store(c, &l);
    close_loop(&l);
    return st;
}

const ppq_op_def ppq_op_loop = {
    .type = "Loop",
    .domain = "",
    .opset_min = 1,
    .in_min = 0, // both M and the condition may be left out
    .in_max = -1,
    .out_min = 1,
    .out_max = -1,
    .traits = PPQ_OP_CONTAINERS | PPQ_OP_NO_LINKS | PPQ_OP_RANDOM, // a graph may hold anything
    .soi_in = 0x1,                             // M
    .fp32_in = 0x2,                            // condition
    .infer = infer,
    .forward = forward,
};
