#include <inttypes.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"

// A matrix of the input's shape with ones on diagonal k.

static ppq_dtype result_type(const ppq_op *op, ppq_dtype in)
{
    const int64_t dt = ppq_op_attr_int(op, "dtype", 0);
    return ppq_op_attr(op, "dtype") && dt > 0 && dt < PPQ_DT_ONNX_END ? (ppq_dtype) dt : in;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_shape *x = &c->in_shape[0];
    if (x->rank >= 0 && x->rank != 2)
        return ppq_infer_fail(c, "the input's rank is %d, expected 2", x->rank);
    return ppq_infer_out(c, 0, result_type(c->op, c->in_dtype[0]), x);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_shape *x = &c->in[0]->shape;
    const ppq_dtype dt = result_type(c->op, c->in[0]->dtype);
    if (!ppq_convert_knows(dt))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "a result of %s is not supported",
                               ppq_dtype_name(dt));
    PPQ_TRY(ppq_run_out(c, 0, dt, x));
    const int64_t limit = PPQ_MAX(x->dim[0], x->dim[1]);
    const int64_t k = PPQ_MAX(-limit, PPQ_MIN(ppq_op_attr_int(c->op, "k", 0), limit));
    const double one = 1;
    memset(ppq_tensor_data(&c->out[0]), 0, ppq_tensor_bytes(&c->out[0]));
    for (int64_t r = 0; r < x->dim[0]; r++)
        if (r + k >= 0 && r + k < x->dim[1])
            ppq_store_f64(&c->out[0], r * x->dim[1] + r + k, 1, &one, PPQ_CONVERT_DEFAULT);
    return PPQ_OK;
}

const ppq_op_def ppq_op_eye_like = {
    .type = "EyeLike",
    .domain = "",
    .opset_min = 9,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS,
    .infer = infer,
    .forward = forward,
};
