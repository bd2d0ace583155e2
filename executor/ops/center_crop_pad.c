#include <inttypes.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/move.h"

// Crops or pads with zeros to given sizes, around the middle.

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    const int64_t *axes;
    const size_t n_axes = ppq_op_attr_ints(ppq_args_op(a), "axes", &axes);
    int64_t size[PPQ_MAX_RANK], n;
    PPQ_TRY(ppq_args_ints(a, 1, size, PPQ_MAX_RANK, &n));
    *out = *x;
    if (x->rank < 0)
        return PPQ_OK;
    const int64_t wanted = axes ? (int64_t) n_axes : x->rank;
    if (n >= 0 && n != wanted)
        return ppq_args_fail(a, "the shape has %" PRId64 " values, expected %" PRId64, n, wanted);
    uint32_t seen = 0;
    if (axes)
        PPQ_TRY(ppq_args_axes(a, axes, (int64_t) n_axes, x->rank, &seen));
    for (int64_t i = 0; i < wanted; i++) {
        int k = (int) i;
        if (axes)
            PPQ_TRY(ppq_args_axis(a, axes[i], x->rank, &k));
        if (n >= 0 && size[i] < 0)
            return ppq_args_fail(a, "a size is %" PRId64 ", expected at least 0", size[i]);
        out->dim[k] = n >= 0 ? size[i] : PPQ_DIM_UNKNOWN;
    }
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_plan(c, plan);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_tensor *x = c->in[0];
    ppq_shape out;
    PPQ_TRY(ppq_run_plan(c, plan, &out));
    if (x->dtype == PPQ_DT_STRING)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "strings are not supported");
    if (ppq_shape_numel(&out) == 0)
        return PPQ_OK;
    int64_t from[PPQ_MAX_RANK], to[PPQ_MAX_RANK], dim[PPQ_MAX_RANK], src = 0, dst = 0;
    ppq_shape_strides(&x->shape, from);
    ppq_shape_strides(&out, to);
    for (int i = 0; i < out.rank; i++) {
        const int64_t have = x->shape.dim[i], want = out.dim[i];
        dim[i] = PPQ_MIN(have, want);
        src += (have - dim[i]) / 2 * from[i];
        dst += (want - dim[i]) / 2 * to[i];
    }
    memset(ppq_tensor_data(&c->out[0]), 0, ppq_tensor_bytes(&c->out[0]));
    if (ppq_shape_numel(&x->shape) > 0)
        ppq_copy_nd(ppq_element(&c->out[0], dst), to, ppq_element(x, src), from, dim, out.rank,
                    ppq_dtype_size(x->dtype));
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_center_crop_pad = {
    .type = "CenterCropPad",
    .domain = "",
    .opset_min = 18,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE | PPQ_OP_FILLS,
    .soi_in = 0x2, // shape
    .infer = infer,
    .forward = forward,
};
