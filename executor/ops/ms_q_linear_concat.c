#include "executor/ops/stored.h"

// Concat on stored integers: scale and zero point of the output, then three inputs per tensor.

static ppq_status infer(ppq_infer_ctx *c)
{
    enum { MAX = 64 };
    ppq_shape in[MAX], out;
    const int n = (c->op->n_in - 2) / 3;
    if (n > MAX || !ppq_op_attr(c->op, "axis"))
        return PPQ_OK;
    for (int i = 0; i < n; i++)
        in[i] = c->in_shape[2 + 3 * i];
    PPQ_TRY(ppq_inner_infer(c, "Concat", in, n, &out));
    return ppq_infer_out(c, 0, c->in_dtype[1], &out);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const int n = (c->op->n_in - 2) / 3;
    ppq_tensor *in = ppq_new_n(c->scratch, ppq_tensor, (size_t) n + 1), out = { 0 };
    ppq_status st = PPQ_OK;
    if (n < 1 || c->op->n_in != 2 + 3 * n)
        return ppq_kernel_fail(c, PPQ_ERR_MODEL, "it has %d inputs, expected 2 and 3 per tensor",
                               c->op->n_in);
    for (int i = 0; i < n && st == PPQ_OK; i++)
        st = ppq_stored_load(c, (ppq_stored_arg){ 2 + 3 * i, 3 + 3 * i, 4 + 3 * i }, &in[i]);
    if (st == PPQ_OK)
        st = ppq_inner_eval(c, "Concat", in, n, &out);
    if (st == PPQ_OK)
        st = ppq_stored_store(c, &out, c->in[1]->dtype, 0, 1);
    ppq_tensor_unref(&out);
    for (int i = 0; i < n; i++)
        ppq_tensor_unref(&in[i]);
    return st;
}

const ppq_op_def ppq_op_ms_q_linear_concat = MICROSOFT_DEF("QLinearConcat", 5, -1);
