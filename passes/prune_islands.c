#include "passes/rewrite.h"

// Takes back ops whose quantization would only add Q/DQ pairs: an op that computes nothing with
// weights stays in int8 only where all its data comes from int8 ops already. A residual stream of
// a transformer stays in float this way, a residual block of a CNN in int8.

typedef struct options {
    int reach;
} options;

static const options defaults = { .reach = 16 };
static const ppq_opt opts[] = {
    { "reach", "longest chain of value-moving ops that is looked through for a computing one",
      PPQ_OPT_INT, offsetof(options, reach), 0, 1000, NULL },
    { 0 },
};

static bool fed_by_quant(const ppq_op *op)
{
    bool any = false;
    for (int32_t k = 0; k < op->n_in; k++) {
        const ppq_var *v = op->in[k];
        if (!v || ppq_op_in_plane(op, k) != PPQ_PLANE_DATA || ppq_var_is_const(v))
            continue;
        if (!v->producer.op || v->producer.op->place != PPQ_PLACE_QUANT)
            return false;
        any = true;
    }
    return any;
}

// A chain of value-moving ops from a graph input into a computing op is quantized at its head
// just as well as at its end, and then moves a quarter of the bytes.
static bool leads_to_compute(const options *o, const ppq_op *op)
{
    for (int depth = 0; depth < o->reach && op; depth++) {
        if (ppq_op_has_trait(op, PPQ_OP_COMPUTE))
            return op->place == PPQ_PLACE_QUANT;
        if (!ppq_op_has_trait(op, PPQ_OP_PASSIVE) || op->place != PPQ_PLACE_QUANT)
            return false;
        op = op->out[0] ? ppq_only_reader(op->out[0]) : NULL;
    }
    return false;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    ppq_op **order;
    size_t n;
    PPQ_TRY(ppq_graph_topo(env->graph, env->scratch, &order, &n, env->diag));
    for (size_t i = 0; i < n; i++) {
        ppq_op *op = order[i];
        if (op->place != PPQ_PLACE_QUANT || ppq_op_has_trait(op, PPQ_OP_COMPUTE) ||
            fed_by_quant(op) || leads_to_compute(params, op))
            continue;
        op->place = PPQ_PLACE_FP32;
        op->place_reason = "fed by float: int8 would only add Q/DQ pairs";
    }
    return PPQ_OK;
}

const ppq_pass ppq_pass_prune_islands = {
    .name = "prune-islands",
    .summary = "keep ops in float where int8 would only add Q/DQ pairs",
    .needs = PPQ_FACT_PLACED,
    .opts = opts,
    .defaults = &defaults,
    .params_size = sizeof(defaults),
    .run = run,
};
