#include "executor/ops/move.h"
#include "executor/ops/scatter.h"

// Y[i, j, ...] = data[i, indices[i, j, ...], ...] along `axis`.

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    int axis;
    PPQ_TRY(ppq_args_elements(&a, &axis));
    return ppq_infer_out(c, 0, c->in_dtype[0], &c->in_shape[1]);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    ppq_places p;
    int axis;
    PPQ_TRY(ppq_args_elements(&a, &axis));
    PPQ_TRY(ppq_run_out(c, 0, c->in[0]->dtype, &c->in[1]->shape));
    PPQ_TRY(ppq_places_elements(c, axis, &p));
    ppq_tensor flat = c->out[0]; // a list, whose table is the offsets
    flat.shape = ppq_shape_1d(p.n);
    if (p.n)
        ppq_copy_mapped(c->in[0], &flat, (int64_t *const[]){ ppq_tensor_data(&p.offsets) });
    ppq_tensor_unref(&p.offsets);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_gather_elements = {
    .type = "GatherElements",
    .domain = "",
    .opset_min = 11,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .fp32_in = 0x2, // indices
    .infer = infer,
    .forward = forward,
};
