#include "executor/ops/arg_reduce.h"

#include "executor/ops/args.h"
#include "executor/ops/real.h"
#include "executor/ops/types.h"

static ppq_status plan(const ppq_args *a, int *axis, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    const ppq_op *op = ppq_args_op(a);
    *axis = 0;
    *out = ppq_shape_unknown(-1);
    if (x->rank < 0)
        return PPQ_OK;
    PPQ_TRY(ppq_args_axis(a, ppq_op_attr_int(op, "axis", 0), x->rank, axis));
    if (x->dim[*axis] == 0)
        return ppq_args_fail(a, "axis %d has no elements", *axis);
    out->rank = 0;
    for (int i = 0; i < x->rank; i++)
        if (i != *axis)
            out->dim[out->rank++] = x->dim[i];
        else if (ppq_op_attr_int(op, "keepdims", 1))
            out->dim[out->rank++] = 1;
    return PPQ_OK;
}

ppq_status ppq_infer_arg(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape out;
    int axis;
    PPQ_TRY(plan(&a, &axis, &out));
    return ppq_infer_out(c, 0, PPQ_DT_I64, &out);
}

// NaN counts as the extreme.
#define FIND(id, type, ...)                                                                    \
    static void find_##id(const void *src, bool smallest, bool last, int64_t outer, int64_t n, \
                          int64_t inner, int64_t *at)                                          \
    {                                                                                          \
        const type *x = src;                                                                   \
        for (int64_t o = 0; o < outer; o++, x += n * inner)                                    \
            for (int64_t k = 0; k < inner; k++) {                                              \
                type best = x[k];                                                              \
                int64_t where = 0;                                                             \
                for (int64_t i = 1; i < n && best == best; i++) {                              \
                    const type v = x[i * inner + k];                                           \
                    const bool beats = smallest ? v < best : v > best;                         \
                    if (beats || v != v || (last && v == best)) {                              \
                        best = v;                                                              \
                        where = i;                                                             \
                    }                                                                          \
                }                                                                              \
                *at++ = where;                                                                 \
            }                                                                                  \
    }
TYPES_REAL(FIND, 0)

#define FIND_CASE(id, type, ...)                                                   \
    case PPQ_DT_##id:                                                              \
        find_##id(ppq_tensor_data(c->in[0]), smallest, last, outer, n, inner, at); \
        return PPQ_OK;

ppq_status ppq_find_extremes(ppq_kernel_ctx *c, bool smallest, bool last, int64_t outer, int64_t n,
                             int64_t inner, int64_t *at)
{
    switch ((int) c->in[0]->dtype) {
        TYPES_REAL(FIND_CASE, 0)
    default:
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "an input of %s is not supported",
                               ppq_dtype_name(c->in[0]->dtype));
    }
}

ppq_status ppq_run_arg(ppq_kernel_ctx *c, bool smallest)
{
    if (ppq_dtype_is_half(c->in[0]->dtype))
        return ppq_run_widened(c, c->op->def->forward);
    const ppq_args a = ppq_args_run(c);
    const ppq_shape *x = &c->in[0]->shape;
    ppq_shape out;
    int axis;
    PPQ_TRY(plan(&a, &axis, &out));
    PPQ_TRY(ppq_run_out(c, 0, PPQ_DT_I64, &out));
    return ppq_find_extremes(c, smallest, ppq_op_attr_int(c->op, "select_last_index", 0) != 0,
                             ppq_dims_product(x, 0, axis), x->rank ? x->dim[axis] : 1,
                             ppq_dims_product(x, axis + 1, x->rank), ppq_i64(&c->out[0]));
}
