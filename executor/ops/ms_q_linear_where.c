#include "executor/ops/stored.h"

// Where on stored integers, each operand with its own scale and zero point

enum { CONDITION, X, X_SCALE, X_ZERO, Y, Y_SCALE, Y_ZERO, Z_SCALE, Z_ZERO };

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_shape in[] = { c->in_shape[CONDITION], c->in_shape[X], c->in_shape[Y] };
    ppq_shape out = in[0];
    for (int i = 1; i < 3; i++)
        if (!ppq_shape_broadcast(&out, &in[i]))
            return ppq_infer_fail(c, "the condition and the operands cannot be broadcast");
    return ppq_infer_out(c, 0, c->in_dtype[X], &out);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    static const ppq_stored_arg arg[] = { { X, X_SCALE, X_ZERO, false },
                                          { Y, Y_SCALE, Y_ZERO, false } };
    ppq_tensor in[3] = { *c->in[CONDITION] }, out = { 0 };
    ppq_status st = ppq_stored_load(c, arg[0], &in[1]);
    if (st == PPQ_OK)
        st = ppq_stored_load(c, arg[1], &in[2]);
    if (st == PPQ_OK)
        st = ppq_inner_eval_bare(c, "Where", in, 3, &out);
    if (st == PPQ_OK)
        st = ppq_stored_store(c, &out, c->in[X]->dtype, Z_SCALE, Z_ZERO);
    ppq_tensor_unref(&out);
    ppq_tensor_unref(&in[1]);
    ppq_tensor_unref(&in[2]);
    return st;
}

const ppq_op_def ppq_op_ms_q_linear_where = MICROSOFT_DEF("QLinearWhere", 9, 9);
