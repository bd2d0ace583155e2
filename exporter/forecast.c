#include "exporter/forecast.h"

#include <stdlib.h>

#include "core/op_def.h"
#include "core/weight_layout.h"
#include "exporter/linear.h"

// What an op needs around it to run on integers.
typedef enum need {
    NEED_ALL,     // every data input from a DQ, the output into a Q
    NEED_SAME,    // as ALL, with one scale and zero point on both sides
    NEED_CONV,    // input and weight from DQs, bias int32 or constant, the output into a Q
    NEED_GEMM,    // A and B from DQs, C absent or int32; the output may stay float
    NEED_PRODUCT, // both operands from DQs; the output may stay float
} need;

typedef struct rule {
    const char *type, *becomes, *without_q; // without_q: name when the output stays float
    need need;
} rule;

static const rule rules[] = {
    { "Conv", "QLinearConv", NULL, NEED_CONV },
    { "Gemm", "QGemm", "QGemm", NEED_GEMM },
    { "MatMul", "QLinearMatMul", "MatMulIntegerToFloat", NEED_PRODUCT },
    { "Add", "QLinearAdd", NULL, NEED_ALL },
    { "Mul", "QLinearMul", NULL, NEED_ALL },
    { "Concat", "QLinearConcat", NULL, NEED_ALL },
    { "AveragePool", "QLinearAveragePool", NULL, NEED_ALL },
    { "GlobalAveragePool", "QLinearGlobalAveragePool", NULL, NEED_ALL },
    { "LeakyRelu", "QLinearLeakyRelu", NULL, NEED_ALL },
    { "Sigmoid", "QLinearSigmoid", NULL, NEED_ALL },
    { "Softmax", "QLinearSoftmax", NULL, NEED_ALL },
    { "Where", "QLinearWhere", NULL, NEED_ALL },
    { "MaxPool", "MaxPool", NULL, NEED_SAME },
    { "ReduceMax", "ReduceMax", NULL, NEED_SAME },
    { "ReduceMin", "ReduceMin", NULL, NEED_SAME },
    { "Reshape", "Reshape", NULL, NEED_SAME },
    { "Flatten", "Flatten", NULL, NEED_SAME },
    { "Transpose", "Transpose", NULL, NEED_SAME },
    { "Squeeze", "Squeeze", NULL, NEED_SAME },
    { "Unsqueeze", "Unsqueeze", NULL, NEED_SAME },
    { "Slice", "Slice", NULL, NEED_SAME },
    { "Gather", "Gather", NULL, NEED_SAME },
    { "Expand", "Expand", NULL, NEED_SAME },
    { "Tile", "Tile", NULL, NEED_SAME },
    { "Split", "Split", NULL, NEED_SAME },
    { "Resize", "Resize", NULL, NEED_SAME },
    { "DepthToSpace", "DepthToSpace", NULL, NEED_SAME },
};

static const rule *rule_of(const ppq_op *op)
{
    if (ppq_op_has_trait(op, PPQ_OP_RESAMPLES) && !ppq_op_selects(op))
        return NULL; // only nearest has a kernel for integers
    for (size_t i = 0; i < PPQ_COUNT(rules); i++)
        if (ppq_op_is(op, rules[i].type))
            return &rules[i];
    return NULL;
}

static bool outputs_quantized(const ppq_op *op)
{
    for (int32_t k = 0; k < op->n_out; k++)
        if (op->out[k] && !ppq_q_behind(op->out[k]))
            return false;
    return true;
}

static bool keeps_grid(const ppq_op *op)
{
    const ppq_op *dq = ppq_maker(op, 0);
    for (int32_t k = 0; k < op->n_out; k++) {
        const ppq_op *q = op->out[k] ? ppq_q_behind(op->out[k]) : NULL;
        if (op->out[k] && (!q || !ppq_same_grid(dq, q)))
            return false;
    }
    return true;
}

static bool data_inputs_dequantized(const ppq_op *op)
{
    for (int32_t k = 0; k < op->n_in; k++)
        if (op->in[k] && ppq_op_in_plane(op, k) == PPQ_PLANE_DATA && !ppq_is_dq(ppq_maker(op, k)))
            return false;
    return true;
}

static bool int32_bias(const ppq_op *op, int32_t k)
{
    if (k >= op->n_in || !op->in[k])
        return true;
    const ppq_op *dq = ppq_maker(op, k);
    return ppq_is_dq(dq) && dq->in[0] && dq->in[0]->dtype == PPQ_DT_I32;
}

// Whether an op of a kind that can run on integers does; else *why says what is in the way.
static bool runs_on_integers(const ppq_op *op, const rule *r, const char **why)
{
    const bool two = ppq_is_dq(ppq_maker(op, 0)) && ppq_is_dq(ppq_maker(op, 1));
    const bool q = outputs_quantized(op);
    *why = NULL;
    switch (r->need) {
    case NEED_CONV:
        if (!two)
            *why = "its input or weight is not quantized";
        else if (!q)
            *why = "its output is not quantized, or read by others before it is";
        else if (!int32_bias(op, 2) && !ppq_var_is_const(op->in[2]))
            *why = "its bias is computed";
        break;
    case NEED_GEMM:
        if (!two)
            *why = "an operand is not quantized";
        else if (!int32_bias(op, 2))
            *why = "its bias is float";
        break;
    case NEED_PRODUCT:
        if (!two)
            *why = "an operand is not quantized";
        break;
    case NEED_ALL:
    case NEED_SAME:
        if (!data_inputs_dequantized(op))
            *why = "an input is not quantized";
        else if (!q)
            *why = "its output is not quantized";
        else if (r->need == NEED_SAME && !keeps_grid(op))
            *why = "its output has another scale than its input";
        break;
    }
    return !*why;
}

// MatMul and the Add of its bias become one Gemm, if the product's shape allows: two dimensions,
// or all known.
static const ppq_op *bias_add(const ppq_op *mul)
{
    const ppq_var *v = mul->out[0];
    if (!v || v->n_uses != 1 || v->is_output || !ppq_op_is(v->uses[0].op, "Add"))
        return NULL;
    const ppq_op *add = v->uses[0].op;
    const ppq_shape *x = &mul->in[0]->shape, *w = &mul->in[1]->shape;
    const ppq_shape *b = v->uses[0].slot == 0 && add->in[1] ? &add->in[1]->shape : NULL;
    if (!b || b->rank != 1 || w->rank != 2 || b->dim[0] != w->dim[1])
        return NULL;
    return x->rank == 2 || (x->rank > 2 && ppq_shape_known(x)) ? add : NULL;
}

static void decide(const ppq_graph *g, ppq_fate *fate)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        const rule *r = rule_of(op);
        if (!fate[i].becomes)
            fate[i].becomes = op->type;
        if (!r || fate[i].integer)
            continue;
        const ppq_op *add =
            ppq_op_is(op, "MatMul") && ppq_is_dq(ppq_maker(op, 0)) && ppq_is_dq(ppq_maker(op, 1))
                ? bias_add(op)
                : NULL;
        if (add && int32_bias(add, 1)) {
            fate[i] = (ppq_fate){ "QGemm", true, NULL, false };
            fate[add->id] = (ppq_fate){ "", true, NULL, false };
        } else if (add) {
            fate[i] = (ppq_fate){ "Gemm", false, "its bias is float", false };
            fate[add->id] = (ppq_fate){ "", false, NULL, false };
        } else {
            const char *why;
            fate[i].integer = runs_on_integers(op, r, &why);
            const bool compute = ppq_op_has_trait(op, PPQ_OP_COMPUTE);
            if (fate[i].integer)
                fate[i].becomes =
                    outputs_quantized(op) || !r->without_q ? r->becomes : r->without_q;
            else if (compute)
                fate[i].why_float = why;
        }
    }
}

static void count_remaining(const ppq_graph *g, ppq_forecast *f)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        if (ppq_is_q(op)) {
            const ppq_op *p = ppq_maker(op, 0);
            const bool taken = p && f->fate[p->id].integer && outputs_quantized(p);
            f->fate[i] = (ppq_fate){ taken ? "" : op->type, true, NULL, false };
            f->n_quantize += !taken;
            // A DQ straight into a Q of the same grid does nothing.
            f->n_avoidable += ppq_is_dq(p) && ppq_same_grid(p, op);
        } else if (ppq_is_dq(op)) {
            const ppq_var *v = op->out[0];
            // Every float reader gets a DQ of its own, a graph output too.
            size_t readers = v && v->is_output;
            for (int32_t u = 0; v && u < v->n_uses; u++)
                readers += !f->fate[v->uses[u].op->id].integer;
            f->fate[i] = (ppq_fate){ readers ? op->type : "", true, NULL, false };
            f->n_dequantize += readers;
        }
    }
}

// int8 weights that exceed what 16-bit sums hold, of an op on integers.
static bool saturates(const ppq_op *op)
{
    const ppq_op *dq = ppq_maker(op, 1);
    const ppq_var *q = ppq_is_dq(dq) ? dq->in[0] : NULL;
    ppq_weight_sums s;
    if (!q || !ppq_var_is_const(q) || q->value.dtype != PPQ_DT_I8 ||
        !ppq_weight_sums_of(op, &q->value.shape, &s))
        return false;
    const int64_t n = ppq_shape_numel(&q->value.shape);
    const int8_t *from = ppq_tensor_data(&q->value);
    float *w = malloc((size_t) n * sizeof(*w)), *top = malloc((size_t) s.outs * sizeof(*top));
    if (!w || !top)
        abort();
    for (int64_t i = 0; i < n; i++)
        w[i] = from[i];
    ppq_weight_pairs(&s, w, top);
    bool any = false;
    for (int64_t o = 0; o < s.outs; o++)
        any |= top[o] > PPQ_PAIR_MOST;
    free(w);
    free(top);
    return any;
}

static void find_saturating(const ppq_graph *g, ppq_forecast *f)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        f->fate[i].saturates = f->fate[i].integer && saturates(g->ops[i]);
        f->n_saturating += f->fate[i].saturates;
    }
}

ppq_status ppq_forecast_ort(const ppq_graph *g, ppq_arena *a, ppq_forecast *out, ppq_diag *d)
{
    (void) d;
    ppq_forecast f = { .fate = ppq_new_n(a, ppq_fate, g->n_ops + 1) };
    decide(g, f.fate);
    count_remaining(g, &f);
    find_saturating(g, &f);
    *out = f;
    return PPQ_OK;
}
