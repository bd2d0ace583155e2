#include <string.h>

#include "executor/ops/arg_reduce.h"
#include "executor/ops/args.h"
#include "executor/ops/real.h"
#include "executor/ops/types.h"

// 1 where the first largest element along `axis` is, 0 everywhere else.

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    int axis;
    if (c->in_shape[0].rank >= 0)
        PPQ_TRY(ppq_args_axis(&a, ppq_op_attr_int(c->op, "axis", -1), c->in_shape[0].rank, &axis));
    return ppq_infer_same(c);
}

#define SET(id, type, ...)                                    \
    case PPQ_DT_##id:                                         \
        ((type *) ppq_tensor_data(&c->out[0]))[i] = (type) 1; \
        break;

static ppq_status forward(ppq_kernel_ctx *c)
{
    if (ppq_dtype_is_half(c->in[0]->dtype))
        return ppq_run_widened(c, forward);
    const ppq_args a = ppq_args_run(c);
    const ppq_shape *x = &c->in[0]->shape;
    int axis;
    PPQ_TRY(ppq_args_axis(&a, ppq_op_attr_int(c->op, "axis", -1), x->rank, &axis));
    if (ppq_shape_numel(x) == 0)
        return PPQ_OK;
    const int64_t outer = ppq_dims_product(x, 0, axis), n = x->dim[axis];
    const int64_t inner = ppq_dims_product(x, axis + 1, x->rank);
    ppq_tensor memory;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) (outer * inner) * sizeof(int64_t), &memory));
    int64_t *at = ppq_tensor_data(&memory);
    memset(ppq_tensor_data(&c->out[0]), 0, ppq_tensor_bytes(&c->out[0]));
    const ppq_status st = ppq_find_extremes(c, false, false, outer, n, inner, at);
    for (int64_t line = 0; st == PPQ_OK && line < outer * inner; line++) {
        const int64_t i = (line / inner * n + at[line]) * inner + line % inner;
        switch ((int) c->out[0].dtype) {
            TYPES_REAL(SET, 0)
        default:
            break; // ppq_find_extremes has refused it
        }
    }
    ppq_tensor_unref(&memory);
    return st;
}

const ppq_op_def ppq_op_hardmax = {
    .type = "Hardmax",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
