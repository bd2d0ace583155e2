#include "core/quantfn.h"
#include "passes/rewrite.h"

// Constants take their quantized values for good: what runs, what is analysed and what is written
// to the file are then the same numbers.

static ppq_status bake(const ppq_pass_env *env, ppq_op *op, int32_t k)
{
    ppq_tqc *t = op->tqc_in[k];
    ppq_var *v = op->in[k];
    if (!t || !ppq_var_is_const(v) || v->dtype != PPQ_DT_F32 || !ppq_tqc_is_active(t))
        return PPQ_OK;
    ppq_status st = ppq_tensor_make_unique(&v->value);
    if (st == PPQ_OK)
        st = ppq_tqc_fake_quant(t, &v->value, &v->value);
    if (st != PPQ_OK)
        return ppq_fail(
            env->diag, st, (ppq_loc){ .stage = "bake-parameters", .op = op->name, .var = v->name },
            "constant '%s' and its quantization parameters do not fit together", v->name);
    return ppq_tqc_set_state(t, t->state == PPQ_QS_PASSIVE ? PPQ_QS_PASSIVE_BAKED : PPQ_QS_BAKED,
                             env->diag);
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    for (size_t i = 0; i < env->graph->n_ops; i++) {
        ppq_op *op = env->graph->ops[i];
        for (int32_t k = 0; op->place == PPQ_PLACE_QUANT && k < op->n_in; k++)
            PPQ_TRY(bake(env, op, k));
    }
    return PPQ_OK;
}

const ppq_pass ppq_pass_bake_parameters = {
    .name = "bake-parameters",
    .summary = "replace constants by their quantized values",
    .needs = PPQ_FACT_CALIB_W,
    .gives = PPQ_FACT_BAKED,
    .run = run,
};
