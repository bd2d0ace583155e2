#include "passes/rewrite.h"

// Tensors inside a group of ops that the target runs as one are not quantized: the last op's
// output quantizes for all of them.
//  - an activation behind a quantized op;
//  - Swish (x * sigmoid(x)) and Mish behind a computing op, where the platform fuses them;
//  - an op that only moves values keeps its input's parameters.

static bool listed(const char *const *list, const char *type)
{
    for (; list && *list; list++)
        if (strcmp(*list, type) == 0)
            return true;
    return false;
}

// A uint8 range holds zero, so it can stand for a clamp only if the clamp lets zero pass.
static bool range_can_clamp(const ppq_op *act)
{
    if (!ppq_op_is(act, "Clip"))
        return true;
    for (int32_t k = 1; k < act->n_in && k < 3; k++) {
        double bound;
        if (!act->in[k])
            continue;
        if (!ppq_const_scalar(&act->in[k]->value, &bound) || (k == 1 ? bound > 0 : bound < 0))
            return false;
    }
    return true;
}

static ppq_status fuse_activation(const ppq_pass_env *env, ppq_op *act)
{
    ppq_op *prev = act->in[0] ? act->in[0]->producer.op : NULL;
    const bool clamp = ppq_op_has_trait(act, PPQ_OP_ACTIVATION);
    if (!prev || prev->place != PPQ_PLACE_QUANT || ppq_only_reader(act->in[0]) != act ||
        prev->n_out != 1)
        return PPQ_OK;
    if (!listed(env->platform->fused_activations, act->type) ||
        !(clamp || ppq_op_has_trait(prev, PPQ_OP_COMPUTE)))
        return PPQ_OK;
    if (clamp && (env->platform->activation->props & PPQ_Q_ASYMMETRIC) && !range_can_clamp(act))
        return PPQ_OK;
    PPQ_TRY(ppq_tqc_overlap(prev->tqc_out[0], act->tqc_out[0], env->diag));
    return ppq_tqc_overlap(act->tqc_in[0], act->tqc_out[0], env->diag);
}

// Mul(x, gate(x)) where gate is Sigmoid, or Tanh of Softplus.
static ppq_status fuse_gate(const ppq_pass_env *env, ppq_op *mul)
{
    for (int slot = 0; slot < 2; slot++) {
        ppq_op *chain[3] = { NULL };
        int n = 0;
        ppq_op *last = mul->in[slot] ? mul->in[slot]->producer.op : NULL;
        if (!last)
            continue;
        chain[n++] = last;
        const bool swish = ppq_op_is(last, "Sigmoid");
        if (ppq_op_is(last, "Tanh") && last->in[0]->producer.op &&
            ppq_op_is(last->in[0]->producer.op, "Softplus"))
            chain[n++] = last->in[0]->producer.op;
        if (!listed(env->platform->fused_activations, swish ? "Swish" : "Mish") ||
            (!swish && n != 2))
            continue;
        const ppq_var *x = chain[n - 1]->in[0];
        ppq_op *source = x->producer.op;
        if (x != mul->in[1 - slot] || x->n_uses != 2 || x->is_output || !source ||
            source->place != PPQ_PLACE_QUANT || !ppq_op_has_trait(source, PPQ_OP_COMPUTE))
            continue;
        for (int i = 0; i < n; i++) {
            if (chain[i]->place != PPQ_PLACE_QUANT || !ppq_only_reader(chain[i]->out[0]))
                return PPQ_OK;
            PPQ_TRY(ppq_tqc_overlap(chain[i]->tqc_out[0], mul->tqc_out[0], env->diag));
            PPQ_TRY(ppq_tqc_overlap(chain[i]->tqc_in[0], mul->tqc_out[0], env->diag));
        }
        for (int k = 0; k < 2; k++)
            PPQ_TRY(ppq_tqc_overlap(mul->tqc_in[k], mul->tqc_out[0], env->diag));
        return ppq_tqc_overlap(source->tqc_out[0], mul->tqc_out[0], env->diag);
    }
    return PPQ_OK;
}

// Nearest resizing selects values too, unless the platform aligns resizes its own way.
static bool moves_values(const ppq_pass_env *env, const ppq_op *op)
{
    return ppq_op_has_trait(op, PPQ_OP_PASSIVE) ||
           (env->platform->resize == PPQ_ALIGN_NONE && ppq_op_selects(op));
}

static ppq_status keep_parameters(const ppq_pass_env *env, ppq_op *op)
{
    ppq_tqc *in = op->tqc_in[0];
    if (!in || in->state == PPQ_QS_FP32 || ppq_var_is_const(op->in[0]))
        return PPQ_OK;
    for (int32_t k = 0; k < op->n_out; k++)
        if (op->tqc_out[k] && op->tqc_out[k]->state != PPQ_QS_FP32)
            PPQ_TRY(ppq_tqc_overlap(op->tqc_out[k], in, env->diag));
    return PPQ_OK;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_op **order;
    size_t n;
    PPQ_TRY(ppq_graph_topo(env->graph, env->scratch, &order, &n, env->diag));
    for (size_t i = 0; i < n; i++) {
        ppq_op *op = order[i];
        if (op->place != PPQ_PLACE_QUANT)
            continue;
        if (ppq_op_is(op, "Mul"))
            PPQ_TRY(fuse_gate(env, op));
        else if (moves_values(env, op))
            PPQ_TRY(keep_parameters(env, op));
        else
            PPQ_TRY(fuse_activation(env, op));
    }
    return PPQ_OK;
}

const ppq_pass ppq_pass_fuse_activations = {
    .name = "fuse-activations",
    .summary = "quantize groups of ops that run as one at their last output only",
    .needs = PPQ_FACT_TQC,
    .run = run,
};
