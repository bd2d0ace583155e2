#include "passes/rewrite.h"

// MatMul by a constant matrix followed by Add of a constant vector is a linear layer: the bias gets
// the accumulator's scale, in 32 bits, and nothing is quantized between the two. The product
// becomes the Add's first input, where runtimes look for it.

static const ppq_qfmt bias_fmt = { .props = PPQ_Q_SYMMETRIC | PPQ_Q_LINEAR | PPQ_Q_PER_CHANNEL,
                                   .bits = 32,
                                   .rounding = PPQ_ROUND_HALF_EVEN,
                                   .qmin = -2147483647.0,
                                   .qmax = 2147483647.0 };

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_graph *g = env->graph;
    for (size_t i = 0; i < g->n_ops; i++) {
        ppq_op *mul = g->ops[i];
        if (mul->place != PPQ_PLACE_QUANT || !ppq_op_is(mul, "MatMul"))
            continue;
        const ppq_tensor *w = ppq_const_f32(mul, 1);
        ppq_op *add = ppq_only_reader(mul->out[0]);
        if (!w || w->shape.rank != 2 || !add || !ppq_op_is(add, "Add") ||
            add->place != PPQ_PLACE_QUANT)
            continue;
        const int slot = add->in[0] == mul->out[0] ? 1 : 0;
        const ppq_tensor *b = ppq_const_f32(add, slot);
        ppq_var *bias = add->in[slot];
        if (!b || b->shape.rank != 1 || b->shape.dim[0] != w->shape.dim[1])
            continue;
        ppq_tqc *t = ppq_graph_new_tqc(g, &bias_fmt);
        t->state = PPQ_QS_PASSIVE_INIT;
        ppq_tqc *product = add->tqc_in[1 - slot];
        ppq_graph_set_input(g, add, 0, mul->out[0]);
        ppq_graph_set_input(g, add, 1, bias);
        add->tqc_in[0] = product;
        add->tqc_in[1] = t;
        PPQ_TRY(ppq_tqc_overlap(mul->tqc_out[0], add->tqc_out[0], env->diag));
        PPQ_TRY(ppq_tqc_overlap(product, add->tqc_out[0], env->diag));
    }
    return PPQ_OK;
}

const ppq_pass ppq_pass_quantize_linear_bias = {
    .name = "quantize-linear-bias",
    .summary = "treat MatMul and the Add of its bias as one linear layer",
    .needs = PPQ_FACT_TQC,
    .run = run,
};
