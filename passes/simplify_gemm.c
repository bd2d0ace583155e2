#include "passes/rewrite.h"

// Gemm with constant B and C: alpha goes into B, beta into C, and C becomes one value per output
// column where it is a scalar or a single row. Integer kernels take the plain form only.

static bool is_one(float x)
{
    return !(x < 1 || x > 1);
}

static ppq_status scale_input(ppq_graph *g, ppq_op *op, int32_t slot, const char *what, float f)
{
    ppq_tensor t = ppq_tensor_ref(&op->in[slot]->value);
    ppq_tensor c;
    const ppq_status st = ppq_tensor_alloc(&c, PPQ_DT_F32, &t.shape);
    if (st == PPQ_OK) {
        for (int64_t i = 0; i < ppq_shape_numel(&t.shape); i++)
            ppq_f32(&c)[i] = ppq_f32(&t)[i] * f;
        ppq_put_const(g, op, slot, what, &c);
    }
    ppq_tensor_unref(&t);
    return st;
}

static ppq_status widen_bias(ppq_graph *g, ppq_op *op, int64_t columns)
{
    const ppq_tensor *b = ppq_const_f32(op, 2);
    const int64_t n = b ? ppq_shape_numel(&b->shape) : 0;
    const bool row = b && n == columns && (b->shape.rank != 2 || b->shape.dim[0] == 1);
    if (!b || (b->shape.rank == 1 && n == columns) || !(n == 1 || row))
        return PPQ_OK;
    const ppq_shape vec = ppq_shape_1d(columns);
    ppq_tensor c;
    PPQ_TRY(ppq_tensor_alloc(&c, PPQ_DT_F32, &vec));
    for (int64_t i = 0; i < columns; i++)
        ppq_f32(&c)[i] = ppq_f32(b)[n == 1 ? 0 : i];
    ppq_put_const(g, op, 2, "bias", &c);
    return PPQ_OK;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_graph *g = env->graph;
    for (size_t i = 0; i < g->n_ops; i++) {
        ppq_op *op = g->ops[i];
        const ppq_tensor *w = ppq_op_is(op, "Gemm") ? ppq_const_f32(op, 1) : NULL;
        if (!w || w->shape.rank != 2)
            continue;
        const int64_t columns = ppq_weight_axis_of(op, &w->shape).channels;
        const float alpha = ppq_op_attr_float(op, "alpha", 1);
        const float beta = ppq_op_attr_float(op, "beta", 1);
        const bool biased = op->n_in > 2 && op->in[2];
        if (!is_one(alpha)) {
            PPQ_TRY(scale_input(g, op, 1, "weight", alpha));
            ppq_op_remove_attr(op, "alpha");
        }
        if (!is_one(beta) && (!biased || ppq_const_f32(op, 2))) {
            if (biased)
                PPQ_TRY(scale_input(g, op, 2, "bias", beta));
            ppq_op_remove_attr(op, "beta");
        }
        if (biased)
            PPQ_TRY(widen_bias(g, op, columns));
    }
    ppq_graph_compact(g);
    return PPQ_OK;
}

const ppq_pass ppq_pass_simplify_gemm = {
    .name = "simplify-gemm",
    .summary = "fold alpha and beta of Gemm into its constants",
    .needs = PPQ_FACT_NORMALIZED,
    .run = run,
};
