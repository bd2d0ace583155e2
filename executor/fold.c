#include "executor/exec.h"

// Constants that are computed once: what the pass over a model and the graphs inside of ops share.

bool ppq_op_is_foldable(const ppq_op *op)
{
    if (!op->def || op->n_implicit || ppq_op_has_trait(op, PPQ_OP_RANDOM))
        return false;
    for (int32_t k = 0; k < op->n_in; k++)
        if (op->in[k] && !ppq_var_is_const(op->in[k]))
            return false;
    for (int32_t k = 0; k < op->n_out; k++)
        if (op->out[k] && op->out[k]->is_output)
            return false;
    return true;
}

static bool is_small(const ppq_op *op, const ppq_tensor *out, size_t most)
{
    enum { TIMES = 4 };
    size_t ins = 0, outs = 0;
    for (int32_t k = 0; k < op->n_in; k++)
        ins += op->in[k] ? ppq_tensor_bytes(&op->in[k]->value) : 0;
    for (int32_t k = 0; k < op->n_out; k++)
        outs += op->out[k] ? ppq_tensor_bytes(&out[k]) : 0;
    return outs <= most || outs / TIMES <= ins;
}

static void put(ppq_graph *g, ppq_op *op, ppq_tensor *out, bool keep)
{
    for (int32_t k = 0; k < op->n_out; k++) {
        ppq_var *v = keep ? op->out[k] : NULL;
        if (!v) {
            ppq_tensor_unref(&out[k]);
            continue;
        }
        ppq_graph_set_output(g, op, k, NULL);
        ppq_var_set_value(v, &out[k]);
    }
    if (keep)
        ppq_graph_remove_op(g, op);
}

ppq_status ppq_op_fold(ppq_graph *g, ppq_op *op, size_t most, ppq_diag *d)
{
    ppq_arena *a = ppq_arena_create("fold");
    const ppq_tensor **in = ppq_new_n(a, const ppq_tensor *, (size_t) op->n_in + 1);
    ppq_tensor *out = ppq_new_n(a, ppq_tensor, (size_t) op->n_out + 1);
    for (int32_t k = 0; k < op->n_in; k++)
        in[k] = op->in[k] ? &op->in[k]->value : NULL;
    const ppq_status st = ppq_op_eval(op, ppq_graph_opset(g, op->domain), in, out, d);
    if (st == PPQ_OK)
        put(g, op, out, is_small(op, out, most));
    ppq_arena_destroy(a);
    return st;
}
