#include <inttypes.h>

#include "executor/ops/backward.h"
#include "executor/ops/block.h"
#include "executor/ops/move.h"

// Blocks of channels become blocks of pixels: N, C, H, W -> N, C / b^2, H * b, W * b.

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    int64_t b;
    *out = ppq_shape_unknown(4);
    PPQ_TRY(ppq_args_block(a, &b));
    if (x->rank < 0)
        return PPQ_OK;
    if (x->dim[1] >= 0 && x->dim[1] % (b * b))
        return ppq_args_fail(a, "%" PRId64 " channels are not divisible by %" PRId64, x->dim[1],
                             b * b);
    out->dim[0] = x->dim[0];
    out->dim[1] = ppq_dim_div(x->dim[1], b * b);
    out->dim[2] = ppq_dim_mul(x->dim[2], b);
    out->dim[3] = ppq_dim_mul(x->dim[3], b);
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_block(c, plan);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_tensor *x = c->in[0];
    ppq_shape out;
    PPQ_TRY(ppq_run_plan(c, plan, &out));
    const int64_t b = ppq_op_attr_int(c->op, "blocksize", 0);
    const int64_t h = x->shape.dim[2], w = x->shape.dim[3], plane = h * w, depth = out.dim[1];
    const bool crd = ppq_block_is_crd(c->op);
    const int64_t step = crd ? plane : depth * plane; // from one column of the block to the next
    const int64_t dim[] = { out.dim[0], depth, h, b, w, b };
    const int64_t stride[] = {
        x->shape.dim[1] * plane, crd ? b * b * plane : plane, w, b * step, 1, step
    };
    ppq_copy_dense(ppq_tensor_data(&c->out[0]), ppq_tensor_data(x), stride, dim, 6,
                   ppq_dtype_size(x->dtype));
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_depth_to_space = {
    .type = "DepthToSpace",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_moved,
};
