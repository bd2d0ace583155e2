#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/move.h"

// A value kept in an attribute.

typedef struct constant {
    ppq_dtype dtype;
    ppq_shape shape;
    const void *data;
} constant;

static bool find_value(const ppq_op *op, constant *out)
{
    for (int i = 0; i < op->n_attrs; i++) {
        const ppq_attr *a = &op->attrs[i];
        const ppq_shape list = ppq_shape_1d((int64_t) a->count), scalar = { .rank = 0 };
        if (strncmp(a->name, "value", 5) != 0)
            continue;
        switch (a->kind) {
        case PPQ_ATTR_INT:
            *out = (constant){ PPQ_DT_I64, scalar, &a->u.i };
            return true;
        case PPQ_ATTR_FLOAT:
            *out = (constant){ PPQ_DT_F32, scalar, &a->u.f };
            return true;
        case PPQ_ATTR_STRING:
            *out = (constant){ PPQ_DT_STRING, scalar, &a->u.s };
            return true;
        case PPQ_ATTR_INTS:
            *out = (constant){ PPQ_DT_I64, list, a->u.ints };
            return true;
        case PPQ_ATTR_FLOATS:
            *out = (constant){ PPQ_DT_F32, list, a->u.floats };
            return true;
        case PPQ_ATTR_STRINGS:
            *out = (constant){ PPQ_DT_STRING, list, a->u.strings };
            return true;
        case PPQ_ATTR_TENSOR:
            *out = (constant){ a->u.t->dtype, a->u.t->shape, ppq_tensor_data(a->u.t) };
            return true;
        case PPQ_ATTR_RAW:
            break;
        }
    }
    return false;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    constant v;
    if (!find_value(c->op, &v))
        return ppq_infer_fail(c, "it has no attribute of a supported kind that holds its value");
    return ppq_infer_out(c, 0, v.dtype, &v.shape);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    constant v;
    if (!find_value(c->op, &v))
        return ppq_kernel_fail(c, PPQ_ERR_MODEL, "it has no attribute that holds its value");
    PPQ_TRY(ppq_run_out(c, 0, v.dtype, &v.shape));
    const size_t bytes = ppq_tensor_bytes(&c->out[0]);
    if (bytes)
        memcpy(ppq_tensor_data(&c->out[0]), v.data, bytes);
    return v.dtype == PPQ_DT_STRING ? ppq_run_own_strings(c, 0) : PPQ_OK;
}

const ppq_op_def ppq_op_constant = {
    .type = "Constant",
    .domain = "",
    .opset_min = 1,
    .in_min = 0,
    .in_max = 0,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
