#include <inttypes.h>

#include "executor/ops/args.h"
#include "executor/ops/stack.h"
#include "executor/subgraph.h"

// Runs a graph for every element of its scanned inputs along an axis of each. Some outputs are
// carried from round to round, the others are collected along an axis.

static int64_t n_scanned(const ppq_op *op)
{
    return ppq_op_attr_int(op, "num_scan_inputs", 0);
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const int64_t n_state = c->op->n_in - PPQ_MAX(n_scanned(c->op), 0);
    for (int i = 0; i < c->op->n_out && i < n_state; i++)
        c->out_dtype[i] = c->in_dtype[i];
    return PPQ_OK;
}

typedef struct scan {
    const ppq_subgraph *body;
    int32_t n_state, n_scanned, n_collected;
    int64_t rounds;
    ppq_tensor *in;  // [n_state + n_scanned] owned
    ppq_tensor *out; // [n_state + n_collected] owned
    ppq_stack *stack;
    const int64_t *in_axis, *in_reverse, *out_axis, *out_reverse; // NULL: 0
} scan;

static ppq_status list_of(ppq_kernel_ctx *c, const char *name, int32_t n, const int64_t **out)
{
    const size_t count = ppq_op_attr_ints(c->op, name, out);
    if (count && count != (size_t) n)
        return ppq_kernel_fail(c, PPQ_ERR_MODEL, "%s has %zu values, expected %d", name, count, n);
    return PPQ_OK;
}

static int64_t item(const int64_t *list, int32_t i)
{
    return list ? list[i] : 0;
}

static ppq_status open_scan(ppq_kernel_ctx *c, scan *s)
{
    const int64_t scanned = n_scanned(c->op);
    *s = (scan){ .n_scanned = (int32_t) scanned };
    if (scanned < 1 || scanned > c->op->n_in)
        return ppq_kernel_fail(c, PPQ_ERR_MODEL,
                               "num_scan_inputs is %" PRId64 ", the legal range is [1, %d]",
                               scanned, c->op->n_in);
    s->n_state = c->op->n_in - s->n_scanned;
    PPQ_TRY(ppq_subgraph_find(c, "body", &s->body));
    const int32_t n_in = ppq_subgraph_n_in(s->body), n_out = ppq_subgraph_n_out(s->body);
    if (n_in != c->op->n_in || n_out < s->n_state || c->op->n_out > n_out)
        return ppq_kernel_fail(c, PPQ_ERR_MODEL,
                               "the body has %d inputs and %d outputs, but it carries %d tensors "
                               "and has %d inputs and %d outputs",
                               n_in, n_out, s->n_state, c->op->n_in, c->op->n_out);
    s->n_collected = n_out - s->n_state;
    PPQ_TRY(list_of(c, "scan_input_axes", s->n_scanned, &s->in_axis));
    PPQ_TRY(list_of(c, "scan_input_directions", s->n_scanned, &s->in_reverse));
    PPQ_TRY(list_of(c, "scan_output_axes", s->n_collected, &s->out_axis));
    PPQ_TRY(list_of(c, "scan_output_directions", s->n_collected, &s->out_reverse));
    s->in = ppq_new_n(c->scratch, ppq_tensor, (size_t) n_in);
    s->out = ppq_new_n(c->scratch, ppq_tensor, (size_t) n_out + 1);
    s->stack = ppq_new_n(c->scratch, ppq_stack, (size_t) s->n_collected + 1);
    return PPQ_OK;
}

static void close_scan(scan *s)
{
    for (int32_t i = 0; s->in && i < s->n_state + s->n_scanned; i++)
        ppq_tensor_unref(&s->in[i]);
    for (int32_t i = 0; s->out && i < s->n_state + s->n_collected; i++)
        ppq_tensor_unref(&s->out[i]);
    for (int32_t i = 0; s->stack && i < s->n_collected; i++)
        ppq_stack_fini(&s->stack[i]);
}

// Every scanned input has as many elements as the first.
static ppq_status count_rounds(ppq_kernel_ctx *c, scan *s)
{
    for (int32_t i = 0; i < s->n_scanned; i++) {
        const ppq_tensor *x = c->in[s->n_state + i];
        int axis;
        if (!x || !ppq_axis_normalize(item(s->in_axis, i), x->shape.rank, &axis))
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "scanned input %d has no axis %" PRId64, i,
                                   item(s->in_axis, i));
        if (i && x->shape.dim[axis] != s->rounds)
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                                   "scanned input %d has %" PRId64 " elements, the first %" PRId64,
                                   i, x->shape.dim[axis], s->rounds);
        s->rounds = x->shape.dim[axis];
    }
    return PPQ_OK;
}

static ppq_status slice_inputs(ppq_kernel_ctx *c, scan *s, int64_t round)
{
    for (int32_t i = 0; i < s->n_scanned; i++) {
        const ppq_tensor *x = c->in[s->n_state + i];
        const int64_t at = item(s->in_reverse, i) ? s->rounds - 1 - round : round;
        ppq_tensor *slice = &s->in[s->n_state + i];
        int axis = 0;
        (void) ppq_axis_normalize(item(s->in_axis, i), x->shape.rank, &axis);
        ppq_tensor_unref(slice);
        PPQ_TRY(ppq_unstack(c, x, axis, at, slice));
    }
    return PPQ_OK;
}

static ppq_status run_round(ppq_kernel_ctx *c, scan *s, int64_t round)
{
    PPQ_TRY(slice_inputs(c, s, round));
    PPQ_TRY(ppq_subgraph_run(c, s->body, s->in, s->out));
    for (int32_t i = 0; i < s->n_state; i++) {
        ppq_tensor_unref(&s->in[i]);
        s->in[i] = s->out[i];
        s->out[i] = (ppq_tensor){ 0 };
    }
    for (int32_t i = 0; i < s->n_collected; i++) {
        PPQ_TRY(ppq_stack_push(c, &s->stack[i], &s->out[s->n_state + i]));
        ppq_tensor_unref(&s->out[s->n_state + i]);
    }
    return PPQ_OK;
}

static ppq_status run_rounds(ppq_kernel_ctx *c, scan *s)
{
    PPQ_TRY(count_rounds(c, s));
    for (int32_t i = 0; i < s->n_state; i++) {
        if (!c->in[i])
            return ppq_kernel_fail(c, PPQ_ERR_MODEL, "carried input %d is left out", i);
        s->in[i] = ppq_tensor_ref(c->in[i]);
    }
    for (int64_t round = 0; round < s->rounds; round++)
        PPQ_TRY(run_round(c, s, round));
    return PPQ_OK;
}

static ppq_status store(ppq_kernel_ctx *c, scan *s)
{
    for (int32_t i = 0; i < c->op->n_out; i++) {
        const int32_t k = i - s->n_state;
        if (k >= 0) {
            PPQ_TRY(ppq_stack_store(c, &s->stack[k], ppq_subgraph_output(s->body, i),
                                    item(s->out_axis, k), item(s->out_reverse, k) != 0, i));
            continue;
        }
        ppq_tensor_unref(&c->out[i]);
        c->out[i] = ppq_tensor_ref(&s->in[i]);
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    scan s;
    ppq_status st = open_scan(c, &s);
    if (st == PPQ_OK)
        st = run_rounds(c, &s);
    if (st == PPQ_OK)
        st = store(c, &s);
    close_scan(&s);
    return st;
}

const ppq_op_def ppq_op_scan = {
    .type = "Scan",
    .domain = "",
    .opset_min = 9,
    .in_min = 1,
    .in_max = -1,
    .out_min = 1,
    .out_max = -1,
    .traits = PPQ_OP_NO_LINKS | PPQ_OP_RANDOM, // a graph may hold anything
    .infer = infer,
    .forward = forward,
};
