#include "core/op_def.h"

#include <stdarg.h>
#include <stdio.h>

static ppq_plane plane(uint32_t soi, uint32_t fp32, int slot)
{
    // Variadic ops repeat their last declared slot's plane, which is DATA for all of them.
    if (slot < 0 || slot >= 32)
        return PPQ_PLANE_DATA;
    const uint32_t bit = 1u << slot;
    return soi & bit ? PPQ_PLANE_SOI : fp32 & bit ? PPQ_PLANE_FP32 : PPQ_PLANE_DATA;
}

bool ppq_op_selects(const ppq_op *op)
{
    if (ppq_op_has_trait(op, PPQ_OP_RESAMPLES))
        return (!ppq_op_attr(op, "mode") || ppq_op_attr_is(op, "mode", "nearest")) &&
               !ppq_op_attr_is(op, "coordinate_transformation_mode", "tf_crop_and_resize");
    return ppq_op_has_trait(op, PPQ_OP_PASSIVE) && !ppq_op_has_trait(op, PPQ_OP_FILLS);
}

ppq_plane ppq_op_in_plane(const ppq_op *op, int slot)
{
    return op->def ? plane(op->def->soi_in, op->def->fp32_in, slot) : PPQ_PLANE_DATA;
}

ppq_plane ppq_op_out_plane(const ppq_op *op, int slot)
{
    return op->def ? plane(op->def->soi_out, op->def->fp32_out, slot) : PPQ_PLANE_DATA;
}

ppq_status ppq_infer_fail(ppq_infer_ctx *c, const char *fmt, ...)
{
    char buf[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    return ppq_fail(c->diag, PPQ_ERR_SHAPE, (ppq_loc){ .stage = "shapes", .op = c->op->name },
                    "%s: %s", c->op->type, buf);
}

ppq_status ppq_kernel_fail(ppq_kernel_ctx *c, ppq_status code, const char *fmt, ...)
{
    char buf[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    return ppq_fail(c->diag, code, (ppq_loc){ .stage = "run", .op = c->op->name }, "%s: %s",
                    c->op->type, buf);
}

ppq_status ppq_kernel_alloc(ppq_kernel_ctx *c, int i, ppq_dtype dt, const ppq_shape *s)
{
    ppq_tensor t;
    const ppq_status st = ppq_tensor_alloc_pool(&t, dt, s, c->pool);
    if (st != PPQ_OK) {
        char b[128];
        return ppq_kernel_fail(c, st, "cannot allocate output %d of shape %s", i,
                               ppq_shape_str(s, b, sizeof(b)));
    }
    ppq_tensor_unref(&c->out[i]);
    c->out[i] = t;
    return PPQ_OK;
}

ppq_status ppq_kernel_temp(ppq_kernel_ctx *c, size_t bytes, ppq_tensor *out)
{
    const ppq_shape s = ppq_shape_1d((int64_t) bytes);
    const ppq_status st = ppq_tensor_alloc_pool(out, PPQ_DT_U8, &s, c->pool);
    if (st != PPQ_OK)
        return ppq_kernel_fail(c, st, "cannot allocate %zu bytes of scratch", bytes);
    return PPQ_OK;
}

ppq_status ppq_infer_same(ppq_infer_ctx *c)
{
    c->out_shape[0] = c->in_shape[0];
    c->out_dtype[0] = c->in_dtype[0];
    return PPQ_OK;
}

// The common dimension of two broadcast operands; false when there is none.
static bool broadcast_dim(int64_t a, int64_t b, int64_t *out)
{
    if (a == b || b == 1) {
        *out = a;
    } else if (a == 1) {
        *out = b;
    } else if (a >= 0 && b >= 0) {
        return false;
    } else if (a >= 0 || b >= 0) {
        *out = PPQ_MAX(a, b); // the unknown one is 1 or the same
    } else {
        *out = PPQ_DIM_UNKNOWN;
    }
    return true;
}

bool ppq_shape_broadcast(ppq_shape *acc, const ppq_shape *b)
{
    if (acc->rank < 0 || b->rank < 0) {
        acc->rank = -1;
        return true;
    }
    ppq_shape r = { .rank = PPQ_MAX(acc->rank, b->rank) };
    for (int i = 0; i < r.rank; i++) {
        const int ia = i - (r.rank - acc->rank), ib = i - (r.rank - b->rank);
        if (!broadcast_dim(ia < 0 ? 1 : acc->dim[ia], ib < 0 ? 1 : b->dim[ib], &r.dim[i]))
            return false;
    }
    *acc = r;
    return true;
}

ppq_status ppq_infer_broadcast(ppq_infer_ctx *c)
{
    ppq_shape s = { .rank = 0 };
    for (int i = 0; i < c->op->n_in; i++) {
        if (!c->has_in[i])
            continue;
        if (!ppq_shape_broadcast(&s, &c->in_shape[i])) {
            char a[128], b[128];
            return ppq_infer_fail(c, "input %d of shape %s cannot be broadcast with %s", i,
                                  ppq_shape_str(&c->in_shape[i], a, sizeof(a)),
                                  ppq_shape_str(&s, b, sizeof(b)));
        }
    }
    c->out_shape[0] = s;
    c->out_dtype[0] = c->in_dtype[0];
    return PPQ_OK;
}

void ppq_broadcast_strides(const ppq_shape *s, const ppq_shape *to, int64_t *strides)
{
    int64_t own[PPQ_MAX_RANK];
    ppq_shape_strides(s, own);
    for (int i = 0; i < to->rank; i++) {
        const int k = i - (to->rank - s->rank);
        strides[i] = k < 0 || (s->dim[k] == 1 && to->dim[i] != 1) ? 0 : own[k];
    }
}

bool ppq_axis_normalize(int64_t axis, int rank, int *out)
{
    if (axis < -rank || axis >= rank)
        return false;
    *out = (int) (axis < 0 ? axis + rank : axis);
    return true;
}

static ppq_loc at_op(const ppq_op *op)
{
    return (ppq_loc){ .stage = "run", .op = op->name };
}

ppq_status ppq_op_check_known(const ppq_op *op, ppq_diag *d)
{
    if (op->def)
        return PPQ_OK;
    const char *near = ppq_op_def_nearest(op->type);
    return ppq_fail(d, PPQ_ERR_UNSUPPORTED, at_op(op),
                    "op type %s%s%s is not known, so the model cannot be run%s%s%s", op->domain,
                    op->domain[0] ? "::" : "", op->type, near ? " (nearest: " : "",
                    near ? near : "", near ? ")" : "");
}

ppq_status ppq_op_check_arity(const ppq_op *op, ppq_diag *d)
{
    const ppq_op_def *def = op->def;
    if (op->n_in < def->in_min || (def->in_max >= 0 && op->n_in > def->in_max) ||
        op->n_out < def->out_min || (def->out_max >= 0 && op->n_out > def->out_max))
        return ppq_fail(d, PPQ_ERR_MODEL, at_op(op),
                        "%s has %d inputs and %d outputs, legal are %d to %d and %d to %d",
                        op->type, op->n_in, op->n_out, def->in_min, def->in_max, def->out_min,
                        def->out_max);
    for (int32_t k = 0; k < def->in_min; k++)
        if (!op->in[k])
            return ppq_fail(d, PPQ_ERR_MODEL, at_op(op), "%s lacks its input %d", op->type, k);
    return PPQ_OK;
}

ppq_status ppq_op_check_kinds(const ppq_op *op, const ppq_dtype *in_dtype, ppq_diag *d)
{
    for (int32_t k = 0; k < op->n_in; k++)
        if (ppq_dtype_is_container(in_dtype[k]) && !ppq_op_has_trait(op, PPQ_OP_CONTAINERS))
            return ppq_fail(d, PPQ_ERR_SHAPE, at_op(op),
                            "%s: input %d is a value of type %s, expected a tensor", op->type, k,
                            ppq_dtype_name(in_dtype[k]));
    return PPQ_OK;
}
