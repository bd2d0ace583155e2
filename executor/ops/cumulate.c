#include "executor/ops/cumulate.h"

#include "executor/ops/real.h"

static ppq_status find_axis(const ppq_args *a, int *axis)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    int64_t v, n;
    PPQ_TRY(ppq_args_ints(a, 1, &v, 1, &n));
    *axis = 0;
    if (n == 0)
        return ppq_args_fail(a, "axis is empty");
    return n < 0 || x->rank < 0 ? PPQ_OK : ppq_args_axis(a, v, x->rank, axis);
}

ppq_status ppq_infer_cumulate(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    int axis;
    PPQ_TRY(find_axis(&a, &axis));
    return ppq_infer_same(c);
}

ppq_status ppq_run_cumulate(ppq_kernel_ctx *c, const ppq_cumulate_loop *loops)
{
    const ppq_tensor *x = c->in[0];
    if (ppq_dtype_is_half(x->dtype))
        return ppq_run_widened(c, c->op->def->forward);
    if (!loops[x->dtype])
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "an input of %s is not supported",
                               ppq_dtype_name(x->dtype));
    const ppq_args a = ppq_args_run(c);
    int axis;
    PPQ_TRY(find_axis(&a, &axis));
    if (ppq_shape_numel(&x->shape) == 0)
        return PPQ_OK;
    loops[x->dtype](
        ppq_tensor_data(x), ppq_tensor_data(&c->out[0]), ppq_dims_product(&x->shape, 0, axis),
        x->shape.dim[axis], ppq_dims_product(&x->shape, axis + 1, x->shape.rank),
        ppq_op_attr_int(c->op, "reverse", 0) != 0, ppq_op_attr_int(c->op, "exclusive", 0) != 0);
    return PPQ_OK;
}
