#include <inttypes.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"
#include "executor/ops/move.h"

// A tensor of the shape in the input, filled with the one element of `value` (0 by default).

static const ppq_tensor *value(const ppq_op *op)
{
    const ppq_attr *a = ppq_op_attr(op, "value");
    return a && a->kind == PPQ_ATTR_TENSOR ? a->u.t : NULL;
}

static ppq_status plan(const ppq_args *a, ppq_dtype *dt, ppq_shape *out)
{
    const ppq_tensor *v = value(ppq_args_op(a));
    const ppq_shape *s = ppq_args_shape(a, 0);
    int64_t dims[PPQ_MAX_RANK], n;
    *dt = v ? v->dtype : PPQ_DT_F32;
    if (v && (ppq_shape_numel(&v->shape) != 1 || v->dtype == PPQ_DT_STRING))
        return ppq_args_fail(a, "value is not one number");
    PPQ_TRY(ppq_args_ints(a, 0, dims, PPQ_MAX_RANK, &n));
    const bool rank_known = s->rank == 1 && s->dim[0] >= 0 && s->dim[0] <= PPQ_MAX_RANK;
    *out = ppq_shape_unknown(n >= 0 ? (int) n : rank_known ? (int) s->dim[0] : -1);
    for (int64_t i = 0; i < n; i++) {
        if (dims[i] < 0)
            return ppq_args_fail(a, "dimension %" PRId64 " is %" PRId64 ", it is at least 0", i,
                                 dims[i]);
        out->dim[i] = dims[i];
    }
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape out;
    ppq_dtype dt;
    PPQ_TRY(plan(&a, &dt, &out));
    return ppq_infer_out(c, 0, dt, &out);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *v = value(c->op);
    ppq_shape out;
    ppq_dtype dt;
    PPQ_TRY(plan(&a, &dt, &out));
    PPQ_TRY(ppq_run_out(c, 0, dt, &out));
    static const unsigned char zero[16];
    const unsigned bits = ppq_dtype_bits(dt);
    const unsigned char *element = v ? ppq_tensor_data(v) : zero;
    unsigned char packed = 0;
    for (unsigned i = 0; bits < 8 && i < 8; i += bits)
        packed |= (unsigned char) ((*element & ((1u << bits) - 1)) << i);
    if (bits < 8)
        memset(ppq_tensor_data(&c->out[0]), packed, ppq_tensor_bytes(&c->out[0]));
    else
        ppq_fill(ppq_tensor_data(&c->out[0]), element, ppq_shape_numel(&out), bits / 8);
    return PPQ_OK;
}

const ppq_op_def ppq_op_constant_of_shape = {
    .type = "ConstantOfShape",
    .domain = "",
    .opset_min = 9,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS,
    .soi_in = 0x1,
    .infer = infer,
    .forward = forward,
};
