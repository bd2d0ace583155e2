#include <math.h>

#include "passes/rewrite.h"

// Conv, ConvTranspose or Gemm followed by BatchNormalization becomes one op:
//   w' = w * s, b' = (b - mean) * s + shift  with  s = scale / sqrt(var + epsilon), per output
//   channel.
// Gemm's alpha stays on w; its C is folded with beta, which becomes 1.

typedef struct affine {
    float *mul, *add; // per channel: y = x * mul + add
    int64_t n;
} affine;

static bool read_affine(const ppq_op *bn, ppq_arena *a, affine *out)
{
    const ppq_tensor *t[4];
    for (int k = 0; k < 4; k++) {
        t[k] = ppq_const_f32(bn, k + 1);
        if (!t[k] || t[k]->shape.rank != 1 || t[k]->shape.dim[0] != t[0]->shape.dim[0])
            return false;
    }
    if (ppq_op_attr_int(bn, "training_mode", 0))
        return false;
    const float eps = ppq_op_attr_float(bn, "epsilon", 1e-5f);
    *out = (affine){ .n = t[0]->shape.dim[0] };
    out->mul = ppq_new_n(a, float, (size_t) out->n + 1);
    out->add = ppq_new_n(a, float, (size_t) out->n + 1);
    for (int64_t c = 0; c < out->n; c++) {
        const double mul =
            (double) ppq_f32(t[0])[c] / sqrt((double) ppq_f32(t[3])[c] + (double) eps);
        out->mul[c] = (float) mul;
        out->add[c] = (float) ((double) ppq_f32(t[1])[c] - (double) ppq_f32(t[2])[c] * mul);
        if (!isfinite(out->mul[c]) || !isfinite(out->add[c]))
            return false;
    }
    return true;
}

// Multiplies output channel c of the weight by mul[c].
static void scale_weight(const ppq_op *op, ppq_tensor *w, const float *mul)
{
    const ppq_weight_axis x = ppq_weight_axis_of(op, &w->shape);
    float *p = ppq_f32(w);
    int64_t outer = 1, inner = 1;
    for (int i = 0; i < x.axis; i++)
        outer *= w->shape.dim[i];
    for (int i = x.axis + 1; i < w->shape.rank; i++)
        inner *= w->shape.dim[i];
    const int64_t n = w->shape.dim[x.axis];
    // A grouped ConvTranspose holds the channels of a group in the rows of its inputs.
    const int64_t rows_per_group = ppq_op_is(op, "ConvTranspose") ? outer / x.group : outer;
    for (int64_t o = 0; o < outer; o++) {
        const int64_t base = rows_per_group > 0 ? o / rows_per_group * n : 0;
        for (int64_t c = 0; c < n; c++)
            for (int64_t i = 0; i < inner; i++)
                *p++ *= mul[base + c];
    }
}

// The bias as one value per channel, or false when it has another form.
static bool read_bias(const ppq_op *op, const ppq_weight_axis *x, float *bias)
{
    if (op->n_in < 3 || !op->in[2]) {
        memset(bias, 0, (size_t) x->channels * sizeof(*bias));
        return true;
    }
    const ppq_tensor *t = ppq_const_f32(op, 2);
    const int64_t n = t ? ppq_shape_numel(&t->shape) : 0;
    if (!t || (n != x->channels && n != 1) ||
        (t->shape.rank > 0 && t->shape.dim[t->shape.rank - 1] != n))
        return false;
    const float beta = ppq_op_is(op, "Gemm") ? ppq_op_attr_float(op, "beta", 1) : 1;
    for (int64_t c = 0; c < x->channels; c++)
        bias[c] = ppq_f32(t)[n == 1 ? 0 : c] * beta;
    return true;
}

static ppq_status fold(const ppq_pass_env *env, ppq_op *op, ppq_op *bn, bool *done)
{
    *done = false;
    affine f;
    const ppq_tensor *w = ppq_const_f32(op, 1);
    if (!w || !read_affine(bn, env->scratch, &f))
        return PPQ_OK;
    const ppq_weight_axis x = ppq_weight_axis_of(op, &w->shape);
    if (x.axis < 0 || x.group < 1 || x.channels != f.n)
        return PPQ_OK;
    const ppq_shape vec = ppq_shape_1d(f.n);
    ppq_tensor bias, weight = ppq_tensor_ref(w);
    PPQ_TRY(ppq_tensor_alloc(&bias, PPQ_DT_F32, &vec));
    if (!read_bias(op, &x, ppq_f32(&bias))) {
        ppq_tensor_unref(&bias);
        ppq_tensor_unref(&weight);
        return PPQ_OK;
    }
    // A weight nobody else reads is scaled in place.
    ppq_var *old = op->in[1];
    ppq_graph_set_input(env->graph, op, 1, NULL);
    if (!old->n_uses && !old->is_output)
        ppq_tensor_unref(&old->value);
    const ppq_status st = ppq_tensor_make_unique(&weight);
    if (st != PPQ_OK) {
        ppq_tensor_unref(&bias);
        ppq_tensor_unref(&weight);
        return ppq_fail(env->diag, st, (ppq_loc){ .stage = "fold-batch-norm", .op = op->name },
                        "no memory for a weight");
    }
    scale_weight(op, &weight, f.mul);
    for (int64_t c = 0; c < f.n; c++)
        ppq_f32(&bias)[c] = ppq_f32(&bias)[c] * f.mul[c] + f.add[c];
    ppq_put_const(env->graph, op, 1, "weight", &weight);
    ppq_put_const(env->graph, op, 2, "bias", &bias);
    if (ppq_op_is(op, "Gemm"))
        ppq_op_remove_attr(op, "beta");
    ppq_absorb_next(env->graph, op, bn);
    *done = true;
    return PPQ_OK;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_graph *g = env->graph;
    for (size_t i = 0; i < g->n_ops; i++) {
        ppq_op *op = g->ops[i];
        if (op->dead ||
            !(ppq_op_is(op, "Conv") || ppq_op_is(op, "ConvTranspose") || ppq_op_is(op, "Gemm")))
            continue;
        for (bool done = true; done;) {
            ppq_op *bn = ppq_only_reader(op->out[0]);
            done = false;
            if (bn && ppq_op_is(bn, "BatchNormalization") && bn->in[0] == op->out[0] &&
                bn->n_in == 5)
                PPQ_TRY(fold(env, op, bn, &done));
        }
    }
    ppq_graph_compact(g);
    return PPQ_OK;
}

const ppq_pass ppq_pass_fold_batch_norm = {
    .name = "fold-batch-norm",
    .summary = "fold BatchNormalization into the Conv, ConvTranspose or Gemm before it",
    .needs = PPQ_FACT_NORMALIZED,
    .run = run,
};
