#include <math.h>

#include "passes/rewrite.h"

// A BatchNormalization that no op could take in becomes a depthwise convolution with a kernel of
// one, which integer backends run; on vectors (rank 2) it stays.

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_graph *g = env->graph;
    for (size_t i = 0; i < g->n_ops; i++) {
        ppq_op *bn = g->ops[i];
        if (!ppq_op_is(bn, "BatchNormalization") || bn->n_in != 5 || !bn->in[0] ||
            bn->in[0]->shape.rank < 3 || ppq_op_attr_int(bn, "training_mode", 0))
            continue;
        const ppq_tensor *scale = ppq_const_f32(bn, 1), *shift = ppq_const_f32(bn, 2);
        const ppq_tensor *mean = ppq_const_f32(bn, 3), *var = ppq_const_f32(bn, 4);
        if (!scale || !shift || !mean || !var || scale->shape.rank != 1 ||
            !ppq_shape_equal(&scale->shape, &shift->shape) ||
            !ppq_shape_equal(&scale->shape, &mean->shape) ||
            !ppq_shape_equal(&scale->shape, &var->shape))
            continue;
        const int64_t c = scale->shape.dim[0];
        const int rank = bn->in[0]->shape.rank;
        const float eps = ppq_op_attr_float(bn, "epsilon", 1e-5f);
        ppq_shape ws = { .rank = rank, .dim = { c } };
        for (int k = 1; k < rank; k++)
            ws.dim[k] = 1;
        const ppq_shape vec = ppq_shape_1d(c);
        ppq_tensor w, b;
        PPQ_TRY(ppq_tensor_alloc(&w, PPQ_DT_F32, &ws));
        const ppq_status st = ppq_tensor_alloc(&b, PPQ_DT_F32, &vec);
        if (st != PPQ_OK) {
            ppq_tensor_unref(&w);
            return st;
        }
        for (int64_t k = 0; k < c; k++) {
            const double m =
                (double) ppq_f32(scale)[k] / sqrt((double) ppq_f32(var)[k] + (double) eps);
            ppq_f32(&w)[k] = (float) m;
            ppq_f32(&b)[k] = (float) ((double) ppq_f32(shift)[k] - (double) ppq_f32(mean)[k] * m);
        }
        ppq_var *in = bn->in[0], *out = bn->out[0];
        ppq_graph_set_output(g, bn, 0, NULL);
        const char *name = bn->name;
        ppq_graph_remove_op(g, bn);
        ppq_op *conv = ppq_graph_add_op(g, "", "Conv", name, 3, 1);
        ppq_graph_set_input(g, conv, 0, in);
        ppq_put_const(g, conv, 1, "weight", &w);
        ppq_put_const(g, conv, 2, "bias", &b);
        ppq_graph_set_output(g, conv, 0, out);
        ppq_op_set_int(g, conv, "group", c);
    }
    ppq_graph_compact(g);
    return PPQ_OK;
}

const ppq_pass ppq_pass_batch_norm_to_conv = {
    .name = "batch-norm-to-conv",
    .summary = "turn a lone BatchNormalization into a depthwise convolution",
    .needs = PPQ_FACT_NORMALIZED | PPQ_FACT_SHAPES,
    .run = run,
};
