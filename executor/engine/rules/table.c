#include "executor/engine/kernels/lut.h"
#include "executor/engine/kernels/quantize.h"
#include "executor/engine/quant_view.h"
#include "executor/exec.h"

// Element-wise functions of one tensor between two grids: a byte has 256 values, so whatever is
// computed between DequantizeLinear and QuantizeLinear is a table. It is filled by the operators
// themselves, so that it cannot differ from them.

enum { CHAIN = 8 };

typedef struct chain {
    const ppq_op *op[CHAIN];
    int n;
    const ppq_op *q; // the quantizer at its end
    ppq_grid out;
} chain;

static bool small_constant(ppq_plan *p, const ppq_var *v)
{
    return ppq_shape_numel(&p->shape[v->id]) == 1 && ppq_plan_learn(p, v) == PPQ_OK &&
           ppq_plan_known(p, v);
}

// Whether `op` maps each element of `x`, its only tensor, to one of its output.
static bool is_pointwise(ppq_plan *p, const ppq_op *op, const ppq_var *x)
{
    if (!ppq_op_has_trait(op, PPQ_OP_LAYOUT_FREE) || op->n_out != 1 || !op->out[0] ||
        p->dtype[op->out[0]->id] != PPQ_DT_F32 ||
        !ppq_shape_equal(&p->shape[op->out[0]->id], &p->shape[x->id]))
        return false;
    for (int32_t k = 0; k < op->n_in; k++)
        if (op->in[k] && op->in[k] != x && !small_constant(p, op->in[k]))
            return false;
    return true;
}

static bool follow(ppq_plan *p, const ppq_op *op, const ppq_var *x, chain *c)
{
    for (c->n = 0; c->n < CHAIN && is_pointwise(p, op, x);) {
        c->op[c->n++] = op;
        x = op->out[0];
        if ((c->q = ppq_only_quantizer(p, x, &c->out)) != NULL)
            return true;
        if (x->is_output || x->n_uses == 0 || (p->o.tapped && p->o.tapped[x->id]))
            return false;
        op = x->uses[0].op;
        for (int32_t u = 1; u < x->n_uses; u++) // Mul(x, x) reads it twice
            if (x->uses[u].op != op)
                return false;
    }
    return false;
}

// Runs the chain on all 256 values.
static ppq_status evaluate(ppq_plan *p, const chain *c, const ppq_grid *g, ppq_tensor *out)
{
    const ppq_shape n = ppq_shape_1d(PPQ_LUT_SIZE);
    ppq_tensor x, y;
    PPQ_TRY(ppq_tensor_alloc(&x, PPQ_DT_F32, &n));
    for (int i = 0; i < PPQ_LUT_SIZE; i++)
        ppq_f32(&x)[i] = (float) (i - g->zero) * g->scale;
    const ppq_var *var = NULL;
    for (int i = 0; i < c->n; i++) {
        const ppq_op *op = c->op[i];
        const ppq_tensor **in = ppq_new_n(p->arena, const ppq_tensor *, (size_t) op->n_in + 1);
        for (int32_t k = 0; k < op->n_in; k++)
            in[k] = !op->in[k]                                ? NULL
                    : i > 0 && op->in[k] == var               ? &x
                    : i == 0 && !small_constant(p, op->in[k]) ? &x
                                                              : ppq_plan_known(p, op->in[k]);
        y = (ppq_tensor){ 0 };
        const ppq_status st = ppq_op_eval(op, ppq_graph_opset(p->g, op->domain), in, &y, p->d);
        ppq_tensor_unref(&x);
        if (st != PPQ_OK)
            return st;
        x = y;
        var = op->out[0];
    }
    *out = x;
    return PPQ_OK;
}

typedef struct state {
    ppq_isa isa;
    uint8_t table[PPQ_LUT_SIZE];
} state;

static void run_part(const ppq_rows *x, int64_t begin, int64_t end)
{
    const state *s = x->state;
    ppq_lut_run(s->isa, s->table, x->src + begin, x->dst + begin, end - begin);
}

static ppq_status run(const ppq_step *s, ppq_call *c)
{
    return ppq_call_rows(c, s, ppq_shape_numel(&ppq_call_tensor(c, s->in[0])->shape), run_part);
}

// The grid that all tensors of the op lie on, if it is one.
static const ppq_var *only_tensor(ppq_plan *p, const ppq_op *op, ppq_grid *g)
{
    const ppq_var *x = NULL;
    for (int32_t k = 0; k < op->n_in; k++) {
        if (!op->in[k] || small_constant(p, op->in[k]))
            continue;
        if (x && x != op->in[k])
            return NULL;
        x = op->in[k];
    }
    return x && ppq_grid_of_var(x, g) ? x : NULL;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    ppq_grid g;
    chain c;
    if (!ppq_op_has_trait(op, PPQ_OP_LAYOUT_FREE))
        return PPQ_ERR_UNSUPPORTED;
    const ppq_var *x = only_tensor(p, op, &g);
    if (!x || !follow(p, op, x, &c))
        return PPQ_ERR_UNSUPPORTED;
    ppq_tensor y;
    int32_t in;
    PPQ_TRY(evaluate(p, &c, &g, &y));
    state *s = ppq_new(p->arena, state);
    s->isa = ppq_plan_isa(p);
    const ppq_q8 to = ppq_q8_u8(c.out.scale, c.out.zero);
    ppq_q8_quantize(s->isa, &to, ppq_f32(&y), s->table, PPQ_LUT_SIZE);
    ppq_tensor_unref(&y);
    PPQ_TRY(ppq_plan_read(p, g.q, PPQ_WANT_ANY, true, &in));
    const int32_t out = ppq_plan_new_value(p, c.out.q, PPQ_DT_U8, &p->shape[c.out.q->id],
                                           ppq_plan_value(p, in)->layout);
    ppq_plan_value(p, out)->flipped = c.out.flipped;
    ppq_step *step = ppq_plan_add_step(p, op, "table", run, &in, 1, &out, 1);
    step->state = s;
    step->int8 = true;
    for (int i = 0; i < c.n; i++)
        ppq_plan_done(p, c.op[i]);
    ppq_plan_done(p, c.q);
    p->info.n_fused_ops += (size_t) c.n - 1;
    return PPQ_OK;
}

const ppq_rule ppq_rule_table = {
    .name = "table",
    .summary = "element-wise functions between two grids: a table of 256 bytes",
    .types = NULL,
    .lower = lower,
};
