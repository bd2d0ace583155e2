#include "executor/engine/kernels/pointwise.h"

#include "executor/engine/plan.h"

// Functions of one float tensor, in vectors.

typedef struct state {
    ppq_isa isa;
    ppq_pointwise_alg alg;
    float alpha;
} state;

static void run_part(const ppq_rows *x, int64_t begin, int64_t end)
{
    const state *s = x->state;
    ppq_pointwise_run(s->isa, s->alg, s->alpha, (const float *) (const void *) x->src + begin,
                      (float *) (void *) x->dst + begin, end - begin);
}

static ppq_status run(const ppq_step *s, ppq_call *c)
{
    return ppq_call_rows(c, s, ppq_shape_numel(&ppq_call_tensor(c, s->in[0])->shape), run_part);
}

static const struct {
    const char *type;
    ppq_pointwise_alg alg;
} functions[] = {
    { "Exp", PPQ_POINTWISE_EXP },         { "Tanh", PPQ_POINTWISE_TANH },
    { "Sigmoid", PPQ_POINTWISE_SIGMOID }, { "Erf", PPQ_POINTWISE_ERF },
    { "Gelu", PPQ_POINTWISE_GELU },       { "Swish", PPQ_POINTWISE_SWISH },
    { "Elu", PPQ_POINTWISE_ELU },         { "Softplus", PPQ_POINTWISE_SOFTPLUS },
};

static void choose(const ppq_op *op, state *s)
{
    for (size_t i = 0; i < PPQ_COUNT(functions); i++)
        if (ppq_op_is(op, functions[i].type))
            s->alg = functions[i].alg;
    if (s->alg == PPQ_POINTWISE_GELU && ppq_op_attr_is(op, "approximate", "tanh"))
        s->alg = PPQ_POINTWISE_GELU_TANH;
    s->alpha = ppq_op_attr_float(op, "alpha", 1);
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    int32_t in;
    const ppq_shape *shape = &p->shape[op->in[0]->id];
    if (p->dtype[op->in[0]->id] != PPQ_DT_F32 || ppq_shape_numel(shape) == 0)
        return PPQ_ERR_UNSUPPORTED;
    PPQ_TRY(ppq_plan_read(p, op->in[0], PPQ_WANT_ANY, false, &in));
    const int32_t out =
        ppq_plan_new_value(p, op->out[0], PPQ_DT_F32, shape, ppq_plan_value(p, in)->layout);
    state *s = ppq_new(p->arena, state);
    s->isa = ppq_plan_isa(p);
    choose(op, s);
    ppq_plan_add_step(p, op, "pointwise", run, &in, 1, &out, 1)->state = s;
    ppq_plan_done(p, op);
    return PPQ_OK;
}

static const char *const types[] = { "Exp",   "Tanh", "Sigmoid",  "Erf", "Gelu",
                                     "Swish", "Elu",  "Softplus", NULL };

const ppq_rule ppq_rule_pointwise = {
    .name = "pointwise",
    .summary = "functions of one float tensor",
    .types = types,
    .lower = lower,
};
