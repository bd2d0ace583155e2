#include "executor/ops/args.h"

// The input's dimensions [start, end) as int64.

static int clamp(int64_t v, int rank)
{
    if (v < 0)
        v += rank;
    return (int) (v < 0 ? 0 : v > rank ? rank : v);
}

static void bounds(const ppq_op *op, int rank, int *start, int *end)
{
    *start = clamp(ppq_op_attr_int(op, "start", 0), rank);
    *end = clamp(ppq_op_attr_int(op, "end", rank), rank);
    *end = PPQ_MAX(*end, *start);
}

static ppq_status infer(ppq_infer_ctx *c)
{
    ppq_shape out = ppq_shape_unknown(1);
    int start, end;
    if (c->in_shape[0].rank >= 0) {
        bounds(c->op, c->in_shape[0].rank, &start, &end);
        out.dim[0] = end - start;
    }
    return ppq_infer_out(c, 0, PPQ_DT_I64, &out);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_shape *x = &c->in[0]->shape;
    int start, end;
    bounds(c->op, x->rank, &start, &end);
    const ppq_shape out = ppq_shape_1d(end - start);
    PPQ_TRY(ppq_run_out(c, 0, PPQ_DT_I64, &out));
    for (int i = start; i < end; i++)
        ppq_i64(&c->out[0])[i - start] = x->dim[i];
    return PPQ_OK;
}

const ppq_op_def ppq_op_shape = {
    .type = "Shape",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_SOI_SOURCE | PPQ_OP_NO_LINKS,
    .soi_out = 0x1,
    .infer = infer,
    .forward = forward,
};
