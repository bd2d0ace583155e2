#include "passes/rewrite.h"

// A matrix product can leave its integer accumulator as float directly. Where no int8 op reads the
// result, quantizing it would cost accuracy and a pair of conversions for nothing.

static bool read_as_int8(const ppq_var *v)
{
    for (int32_t u = 0; u < v->n_uses; u++) {
        const ppq_op *op = v->uses[u].op;
        if (op->place == PPQ_PLACE_QUANT && v->uses[u].slot < op->n_in &&
            op->tqc_in[v->uses[u].slot] && op->tqc_in[v->uses[u].slot]->state != PPQ_QS_FP32)
            return true;
    }
    return false;
}

static bool is_product(const ppq_op *op)
{
    if (ppq_op_is(op, "MatMul") || ppq_op_is(op, "Gemm"))
        return true;
    // The Add of a linear layer: its bias has the accumulator's scale.
    if (ppq_op_is(op, "Add"))
        for (int k = 0; k < 2; k++)
            if (op->tqc_in[k] && op->tqc_in[k]->state == PPQ_QS_PASSIVE_INIT)
                return true;
    return false;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    for (size_t i = 0; i < env->graph->n_ops; i++) {
        ppq_op *op = env->graph->ops[i];
        if (op->place == PPQ_PLACE_QUANT && is_product(op) && op->tqc_out[0] &&
            op->tqc_out[0]->parent == op->tqc_out[0] && !read_as_int8(op->out[0]))
            PPQ_TRY(ppq_tqc_set_state(op->tqc_out[0], PPQ_QS_FP32, env->diag));
    }
    return PPQ_OK;
}

const ppq_pass ppq_pass_float_outputs = {
    .name = "float-outputs",
    .summary = "leave results of matrix products in float where only float ops read them",
    .needs = PPQ_FACT_TQC,
    .run = run,
};
