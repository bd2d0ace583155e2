#include "executor/exec.h"
#include "passes/rewrite.h"

// Computes what depends on constants only, and Shape of tensors whose shape is known.

typedef struct options {
    int max_bytes;
    bool dequantize;
} options;

static const options defaults = { .max_bytes = 1 << 20, .dequantize = true };
static const ppq_opt opts[] = {
    { "max-bytes", "larger results stay computed, unless they are four times their inputs at most",
      PPQ_OPT_INT, offsetof(options, max_bytes), 0, INT32_MAX, NULL },
    { "dequantize", "compute DequantizeLinear of constants", PPQ_OPT_BOOL,
      offsetof(options, dequantize), 0, 0, NULL },
    { 0 },
};

// A folded constant may be as large as four times what it came from (a cast from float16, a
// transpose): expanding a scalar into a huge tensor would only make the model bigger.
static bool size_allowed(const options *o, const ppq_op *op)
{
    size_t in = 0;
    for (int32_t k = 0; k < op->n_in; k++)
        if (op->in[k])
            in += ppq_tensor_bytes(&op->in[k]->value);
    for (int32_t k = 0; k < op->n_out; k++) {
        if (!op->out[k])
            continue;
        const size_t out = ppq_shape_known(&op->out[k]->shape)
                               ? ppq_shape_bytes(&op->out[k]->shape, op->out[k]->dtype)
                               : 0;
        if (out != SIZE_MAX && out > (size_t) o->max_bytes && out / 4 > in)
            return false;
    }
    return true;
}

static bool foldable(const options *o, const ppq_op *op)
{
    if (!ppq_op_is_foldable(op) || (!o->dequantize && ppq_op_is(op, "DequantizeLinear")))
        return false;
    return size_allowed(o, op);
}

// A weight and what is computed from it should not be in memory both until the pass ends.
static void drop_unread(ppq_var *const *in, int32_t n)
{
    for (int32_t k = 0; k < n; k++)
        if (in[k] && !in[k]->n_uses && !in[k]->is_output && !in[k]->is_input)
            ppq_tensor_unref(&in[k]->value);
}

static ppq_status fold(const ppq_pass_env *env, ppq_op *op)
{
    const int32_t n = op->n_in;
    ppq_var **read = ppq_new_n(env->scratch, ppq_var *, (size_t) n + 1);
    for (int32_t k = 0; k < n; k++)
        read[k] = op->in[k];
    PPQ_TRY(ppq_op_fold(env->graph, op, SIZE_MAX, env->diag));
    drop_unread(read, n);
    return PPQ_OK;
}

static ppq_status fold_shape(const ppq_pass_env *env, ppq_op *op)
{
    const ppq_shape *s = &op->in[0]->shape;
    int start, end;
    const int64_t from = ppq_op_attr_int(op, "start", 0), to = ppq_op_attr_int(op, "end", s->rank);
    start = (int) PPQ_MIN(PPQ_MAX(from < 0 ? from + s->rank : from, 0), s->rank);
    end = (int) PPQ_MIN(PPQ_MAX(to < 0 ? to + s->rank : to, 0), s->rank);
    const ppq_shape vec = ppq_shape_1d(PPQ_MAX(end - start, 0));
    ppq_tensor t;
    PPQ_TRY(ppq_tensor_alloc(&t, PPQ_DT_I64, &vec));
    for (int i = start; i < end; i++)
        ppq_i64(&t)[i - start] = s->dim[i];
    ppq_var *v = op->out[0];
    ppq_graph_set_output(env->graph, op, 0, NULL);
    ppq_var_set_value(v, &t);
    ppq_graph_remove_op(env->graph, op);
    return PPQ_OK;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    ppq_op **order;
    size_t n;
    PPQ_TRY(ppq_graph_topo(env->graph, env->scratch, &order, &n, env->diag));
    const bool *needed = ppq_needed_ops(env->graph, env->scratch);
    ppq_arena *a = ppq_arena_create("fold");
    ppq_status st = PPQ_OK;
    for (size_t i = 0; i < n && st == PPQ_OK; i++) {
        ppq_op *op = order[i];
        if (!needed[op->id])
            continue;
        // A constant found just now may settle shapes that a Shape further down asks for.
        if (op->def && op->n_in >= op->def->in_min && op->n_out >= op->def->out_min)
            st = ppq_infer_op_shapes(env->graph, op, a, env->diag);
        ppq_arena_reset(a);
        if (st != PPQ_OK)
            break;
        if (foldable(params, op))
            st = fold(env, op);
        else if (ppq_op_is(op, "Shape") && op->in[0] && op->out[0] && !op->out[0]->is_output &&
                 ppq_shape_known(&op->in[0]->shape))
            st = fold_shape(env, op);
    }
    ppq_arena_destroy(a);
    PPQ_TRY(st);
    ppq_graph_compact(env->graph);
    return PPQ_OK;
}

const ppq_pass ppq_pass_fold_constants = {
    .name = "fold-constants",
    .summary = "compute what depends on constants only",
    .needs = PPQ_FACT_NORMALIZED | PPQ_FACT_SHAPES,
    .opts = opts,
    .defaults = &defaults,
    .params_size = sizeof(defaults),
    .run = run,
};
