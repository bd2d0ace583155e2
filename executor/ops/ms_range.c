#include "executor/ops/convert.h"
#include "executor/ops/stored.h"

// start, start + delta, ... below the limit; delta may be left out, and each may be a list of one.

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_shape s = ppq_shape_1d(PPQ_DIM_UNKNOWN);
    return ppq_infer_out(c, 0, c->in_dtype[0], &s);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_shape scalar = { .rank = 0 };
    ppq_tensor in[3] = { { 0 } }, one = { 0 };
    ppq_tensor_unref(&c->out[0]);
    for (int i = 0; i < c->op->n_in; i++) {
        if (!c->in[i])
            continue;
        if (ppq_shape_numel(&c->in[i]->shape) != 1)
            return ppq_args_fail(&a, "input %d is not one number", i);
        in[i] = *c->in[i];
        in[i].shape = scalar;
    }
    if (in[2].buf)
        return ppq_inner_eval_bare(c, "Range", in, 3, &c->out[0]);
    if (!ppq_convert_knows(in[0].dtype) || ppq_tensor_alloc(&one, in[0].dtype, &scalar) != PPQ_OK)
        return ppq_args_fail(&a, "the start is %s, expected a number", ppq_dtype_name(in[0].dtype));
    const double v = 1;
    ppq_store_f64(&one, 0, 1, &v, PPQ_CONVERT_DEFAULT);
    in[2] = one;
    const ppq_status st = ppq_inner_eval_bare(c, "Range", in, 3, &c->out[0]);
    ppq_tensor_unref(&one);
    return st;
}

const ppq_op_def ppq_op_ms_range = {
    .type = "Range",
    .domain = "com.microsoft",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS | PPQ_OP_SOI_SOURCE,
    .soi_in = 0x7,
    .soi_out = 0x1,
    .infer = infer,
    .forward = forward,
};
