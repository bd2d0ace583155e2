#include "passes/rewrite.h"

// Add of a constant per output channel behind a Conv, ConvTranspose or Gemm without bias becomes
// its bias. (MatMul keeps its Add: a linear layer of any rank; platforms treat the pair as one.)

// Whether `t`, added to an output of rank `rank`, varies along the channel axis only.
static bool per_channel(const ppq_tensor *t, int rank, int channel_axis, int64_t channels)
{
    if (t->shape.rank > rank)
        return false;
    for (int i = 0; i < t->shape.rank; i++) {
        const int at = i + rank - t->shape.rank;
        if (t->shape.dim[i] != 1 && !(at == channel_axis && t->shape.dim[i] == channels))
            return false;
    }
    return true;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_graph *g = env->graph;
    for (size_t i = 0; i < g->n_ops; i++) {
        ppq_op *op = g->ops[i];
        const bool conv = ppq_op_is(op, "Conv") || ppq_op_is(op, "ConvTranspose");
        if (op->dead || (!conv && !ppq_op_is(op, "Gemm")) || (op->n_in > 2 && op->in[2]))
            continue;
        ppq_op *add = ppq_only_reader(op->out[0]);
        const ppq_tensor *w = ppq_const_f32(op, 1);
        if (!add || !w || !ppq_op_is(add, "Add"))
            continue;
        const int slot = add->in[0] == op->out[0] ? 1 : 0;
        const ppq_tensor *b = ppq_const_f32(add, slot);
        const ppq_weight_axis x = ppq_weight_axis_of(op, &w->shape);
        const int rank = conv ? w->shape.rank : 2;
        if (!b || x.axis < 0 || !per_channel(b, rank, 1, x.channels))
            continue;
        const ppq_shape vec = ppq_shape_1d(x.channels);
        ppq_tensor bias;
        PPQ_TRY(ppq_tensor_alloc(&bias, PPQ_DT_F32, &vec));
        const bool scalar = ppq_shape_numel(&b->shape) == 1;
        for (int64_t c = 0; c < x.channels; c++)
            ppq_f32(&bias)[c] = ppq_f32(b)[scalar ? 0 : c];
        ppq_put_const(g, op, 2, "bias", &bias);
        if (ppq_op_is(op, "Gemm"))
            ppq_op_remove_attr(op, "beta");
        ppq_absorb_next(g, op, add);
    }
    ppq_graph_compact(g);
    return PPQ_OK;
}

const ppq_pass ppq_pass_fold_bias = {
    .name = "fold-bias",
    .summary = "fold an Add of a constant into the bias of the op before it",
    .needs = PPQ_FACT_NORMALIZED,
    .run = run,
};
