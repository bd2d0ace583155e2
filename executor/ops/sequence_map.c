#include <inttypes.h>

#include "executor/ops/container.h"
#include "executor/subgraph.h"

// Runs a graph for every item of the first input; other sequences give their item of the same
// position, tensors are the same every time. Each output collects what the graph yields.

typedef struct map {
    const ppq_subgraph *body;
    int64_t rounds;
    ppq_tensor *in;   // [n_in] borrowed
    ppq_tensor *out;  // [n_out] owned
    ppq_tensor **all; // [n_out][rounds] owned
} map;

static ppq_status open_map(ppq_kernel_ctx *c, map *m)
{
    const ppq_op *op = c->op;
    const ppq_tensor *items;
    *m = (map){ 0 };
    PPQ_TRY(ppq_run_items(c, 0, &items, &m->rounds));
    PPQ_TRY(ppq_subgraph_find(c, "body", &m->body));
    const int32_t n_in = ppq_subgraph_n_in(m->body), n_out = ppq_subgraph_n_out(m->body);
    if (n_in != op->n_in || n_out != op->n_out)
        return ppq_kernel_fail(c, PPQ_ERR_MODEL,
                               "the body has %d inputs and %d outputs, expected %d and %d", n_in,
                               n_out, op->n_in, op->n_out);
    for (int32_t i = 1; i < n_in; i++)
        if (!c->in[i] ||
            (c->in[i]->dtype == PPQ_DT_SEQUENCE && ppq_container_count(c->in[i]) != m->rounds))
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                                   "sequence %d has not %" PRId64 " items as the first one", i,
                                   m->rounds);
    m->in = ppq_new_n(c->scratch, ppq_tensor, (size_t) n_in + 1);
    m->out = ppq_new_n(c->scratch, ppq_tensor, (size_t) n_out + 1);
    m->all = ppq_new_n(c->scratch, ppq_tensor *, (size_t) n_out + 1);
    for (int32_t i = 0; i < n_out; i++)
        m->all[i] = ppq_new_n(c->scratch, ppq_tensor, (size_t) m->rounds + 1);
    return PPQ_OK;
}

static ppq_status run_round(ppq_kernel_ctx *c, map *m, int64_t round)
{
    for (int32_t i = 0; i < c->op->n_in; i++)
        m->in[i] =
            c->in[i]->dtype == PPQ_DT_SEQUENCE ? ppq_container_items(c->in[i])[round] : *c->in[i];
    PPQ_TRY(ppq_subgraph_run(c, m->body, m->in, m->out));
    for (int32_t i = 0; i < c->op->n_out; i++) {
        m->all[i][round] = m->out[i];
        m->out[i] = (ppq_tensor){ 0 };
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    map m;
    PPQ_TRY(open_map(c, &m));
    ppq_status st = PPQ_OK;
    for (int64_t round = 0; round < m.rounds && st == PPQ_OK; round++)
        st = run_round(c, &m, round);
    for (int32_t i = 0; i < c->op->n_out; i++) {
        if (st == PPQ_OK)
            st = ppq_run_pack(c, i, PPQ_DT_SEQUENCE, m.all[i], m.rounds);
        for (int64_t k = 0; k < m.rounds; k++)
            ppq_tensor_unref(&m.all[i][k]);
    }
    return st;
}

const ppq_op_def ppq_op_sequence_map = {
    .type = "SequenceMap",
    .domain = "",
    .opset_min = 17,
    .in_min = 1,
    .in_max = -1,
    .out_min = 1,
    .out_max = -1,
    .traits = PPQ_OP_CONTAINERS | PPQ_OP_NO_LINKS | PPQ_OP_RANDOM, // a graph may hold anything
    .fp32_in = UINT32_MAX,
    .fp32_out = UINT32_MAX,
    .infer = ppq_infer_sequences,
    .forward = forward,
};
