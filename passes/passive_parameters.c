#include <math.h>

#include "core/quantfn.h"
#include "passes/rewrite.h"

// A bias is added to the accumulator, so its scale is the input's times the weight's. Where a bias
// is so large against them that 32 bits would overflow, the channel's weight scale grows until it
// fits: such a channel's weights are negligible beside its bias.

static const double bias_limit = 1073741824.0; // 2^30, half the range, as a margin

typedef struct layer {
    ppq_op *op;           // holds the bias
    int32_t slot;         // of the bias
    ppq_tqc *in, *weight; // of the accumulation
    ppq_var *weight_var;
} layer;

static bool find_layer(ppq_op *op, int32_t slot, layer *l)
{
    ppq_op *acc = op;
    if (ppq_op_is(op, "Add"))
        acc = op->in[1 - slot] ? op->in[1 - slot]->producer.op : NULL;
    if (!acc || acc->n_in < 2 || !acc->tqc_in || !ppq_op_has_trait(acc, PPQ_OP_COMPUTE))
        return false;
    *l = (layer){ op, slot, acc->tqc_in[0], acc->tqc_in[1], acc->in[1] };
    return true;
}

static bool has_params(const ppq_tqc *t)
{
    return t && ppq_tqc_n(t) > 0 && ppq_tqc_root_const(t)->state != PPQ_QS_FP32;
}

static ppq_status fit_weight_scales(const layer *l, const ppq_tensor *bias, float sx)
{
    ppq_tqc *w = ppq_tqc_root(l->weight);
    bool grown = false;
    for (int64_t c = 0; c < ppq_shape_numel(&bias->shape); c++) {
        float *sw = &w->scale[w->n == 1 ? 0 : c];
        const double need = fabs((double) ppq_f32(bias)[c]) / ((double) sx * bias_limit);
        if ((double) *sw < need) {
            *sw = (float) need;
            grown = true;
        }
    }
    if (!grown || w->state != PPQ_QS_BAKED)
        return PPQ_OK;
    PPQ_TRY(ppq_tensor_make_unique(&l->weight_var->value));
    return ppq_tqc_fake_quant(l->weight, &l->weight_var->value, &l->weight_var->value);
}

static ppq_status resolve(const ppq_pass_env *env, const layer *l)
{
    ppq_tqc *t = l->op->tqc_in[l->slot];
    const ppq_tensor *bias = ppq_const_f32(l->op, l->slot);
    if (!bias || !has_params(l->in) || !has_params(l->weight) || ppq_tqc_n(l->in) != 1)
        return ppq_tqc_set_state(t, PPQ_QS_FP32, env->diag);
    const int64_t n = ppq_shape_numel(&bias->shape);
    const uint32_t nw = ppq_tqc_n(l->weight);
    if (bias->shape.rank != 1 || (nw != 1 && (int64_t) nw != n))
        return ppq_tqc_set_state(t, PPQ_QS_FP32, env->diag);
    const float sx = ppq_tqc_param(l->in, 0).scale;
    PPQ_TRY(fit_weight_scales(l, bias, sx));
    float *scale = ppq_new_n(env->scratch, float, (size_t) nw);
    float *offset = ppq_new_n(env->scratch, float, (size_t) nw);
    for (uint32_t c = 0; c < nw; c++)
        scale[c] = sx * ppq_tqc_param(l->weight, c).scale;
    if (nw == 1)
        t->fmt.props = (t->fmt.props & ~(uint32_t) PPQ_Q_PER_CHANNEL) | PPQ_Q_PER_TENSOR;
    t->fmt.axis = 0;
    PPQ_TRY(ppq_tqc_set_state(t, PPQ_QS_PASSIVE, env->diag));
    return ppq_tqc_set_params(t, env->graph->arena, nw, scale, offset, env->diag);
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    for (size_t i = 0; i < env->graph->n_ops; i++) {
        ppq_op *op = env->graph->ops[i];
        for (int32_t k = 0; op->place == PPQ_PLACE_QUANT && k < op->n_in; k++) {
            layer l;
            if (!op->tqc_in[k] || op->tqc_in[k]->state != PPQ_QS_PASSIVE_INIT)
                continue;
            if (find_layer(op, k, &l))
                PPQ_TRY(resolve(env, &l));
            else
                PPQ_TRY(ppq_tqc_set_state(op->tqc_in[k], PPQ_QS_FP32, env->diag));
        }
    }
    return PPQ_OK;
}

const ppq_pass ppq_pass_passive_parameters = {
    .name = "passive-parameters",
    .summary = "give biases the scale of the accumulator",
    .needs = PPQ_FACT_CALIB_W | PPQ_FACT_CALIB_A,
    .gives = PPQ_FACT_PASSIVE,
    .run = run,
};
