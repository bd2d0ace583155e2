#include "passes/pattern.h"

void ppq_remove_unread(ppq_graph *g, ppq_var *v)
{
    ppq_op *op = v->producer.op;
    if (!op || v->n_uses || v->is_output)
        return;
    for (int32_t k = 0; k < op->n_out; k++)
        if (op->out[k] && (op->out[k]->n_uses || op->out[k]->is_output))
            return;
    enum { MOST = 4 };
    ppq_var *in[MOST];
    const int32_t n = PPQ_MIN(op->n_in, MOST);
    for (int32_t k = 0; k < n; k++)
        in[k] = op->in[k];
    ppq_graph_remove_op(g, op);
    for (int32_t k = 0; k < n; k++)
        if (in[k] && !in[k]->dead)
            ppq_remove_unread(g, in[k]);
}

ppq_op *ppq_replace_op(ppq_graph *g, ppq_op *op, const char *type, ppq_var *const *in, int32_t n_in)
{
    enum { MOST = 4 };
    ppq_var *before[MOST];
    const int32_t n = PPQ_MIN(op->n_in, MOST);
    for (int32_t k = 0; k < n; k++)
        before[k] = op->in[k];
    ppq_op *made = ppq_graph_add_op(g, "", type, op->name, n_in, 1);
    for (int32_t k = 0; k < n_in; k++)
        ppq_graph_set_input(g, made, k, in[k]);
    ppq_var *out = op->out[0];
    ppq_graph_set_output(g, op, 0, NULL);
    ppq_graph_set_output(g, made, 0, out);
    ppq_graph_remove_op(g, op);
    for (int32_t k = 0; k < n; k++)
        if (before[k] && !before[k]->dead)
            ppq_remove_unread(g, before[k]);
    return made;
}
