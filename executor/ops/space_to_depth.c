#include <inttypes.h>

#include "executor/ops/backward.h"
#include "executor/ops/block.h"
#include "executor/ops/move.h"

// Blocks of pixels become blocks of channels: N, C, H, W -> N, b^2 * C, H / b, W / b.

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    int64_t b;
    *out = ppq_shape_unknown(4);
    PPQ_TRY(ppq_args_block(a, &b));
    if (x->rank < 0)
        return PPQ_OK;
    for (int i = 2; i < 4; i++) {
        if (x->dim[i] >= 0 && x->dim[i] % b)
            return ppq_args_fail(a, "dimension %d is %" PRId64 ", not divisible by %" PRId64, i,
                                 x->dim[i], b);
        out->dim[i] = ppq_dim_div(x->dim[i], b);
    }
    out->dim[0] = x->dim[0];
    out->dim[1] = ppq_dim_mul(x->dim[1], b * b);
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
    const int64_t w = x->shape.dim[3], plane = x->shape.dim[2] * w, depth = x->shape.dim[1];
    const bool crd = ppq_block_is_crd(c->op);
    const int64_t dcr_dim[] = { out.dim[0], b, b, depth, out.dim[2], out.dim[3] };
    const int64_t dcr_stride[] = { depth * plane, w, 1, plane, b * w, b };
    const int64_t crd_dim[] = { out.dim[0], depth, b, b, out.dim[2], out.dim[3] };
    const int64_t crd_stride[] = { depth * plane, plane, w, 1, b * w, b };
    ppq_copy_dense(ppq_tensor_data(&c->out[0]), ppq_tensor_data(x), crd ? crd_stride : dcr_stride,
                   crd ? crd_dim : dcr_dim, 6, ppq_dtype_size(x->dtype));
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_space_to_depth = {
    .type = "SpaceToDepth",
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
