#include "executor/ops/args.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "executor/ops/convert.h"

const ppq_op *ppq_args_op(const ppq_args *a)
{
    return a->infer ? a->infer->op : a->run->op;
}

int64_t ppq_args_opset(const ppq_args *a)
{
    return a->infer ? a->infer->opset : a->run->opset;
}

bool ppq_args_has(const ppq_args *a, int i)
{
    if (i >= ppq_args_op(a)->n_in)
        return false;
    return a->infer ? a->infer->has_in[i] : a->run->in[i] != NULL;
}

const ppq_shape *ppq_args_shape(const ppq_args *a, int i)
{
    static const ppq_shape unknown = { .rank = -1 };
    if (!ppq_args_has(a, i))
        return &unknown;
    return a->infer ? &a->infer->in_shape[i] : &a->run->in[i]->shape;
}

ppq_dtype ppq_args_dtype(const ppq_args *a, int i)
{
    if (!ppq_args_has(a, i))
        return PPQ_DT_NONE;
    return a->infer ? a->infer->in_dtype[i] : a->run->in[i]->dtype;
}

const ppq_tensor *ppq_args_value(const ppq_args *a, int i)
{
    if (!ppq_args_has(a, i))
        return NULL;
    return a->infer ? a->infer->in_value[i] : a->run->in[i];
}

ppq_status ppq_args_fail(const ppq_args *a, const char *fmt, ...)
{
    char buf[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    return a->infer ? ppq_infer_fail(a->infer, "%s", buf)
                    : ppq_kernel_fail(a->run, PPQ_ERR_SHAPE, "%s", buf);
}

static bool is_index_type(ppq_dtype dt)
{
    return dt == PPQ_DT_I64 || dt == PPQ_DT_I32;
}

ppq_status ppq_args_ints(const ppq_args *a, int i, int64_t *out, int64_t cap, int64_t *n)
{
    const ppq_tensor *t = ppq_args_value(a, i);
    *n = -1;
    if (!t)
        return PPQ_OK;
    const int64_t count = ppq_shape_numel(&t->shape);
    if (count > cap)
        return ppq_args_fail(a, "input %d has %" PRId64 " values, at most %" PRId64 " make sense",
                             i, count, cap);
    if (!is_index_type(t->dtype))
        return ppq_args_fail(a, "input %d is %s, expected int64 or int32", i,
                             ppq_dtype_name(t->dtype));
    ppq_load_i64(t, 0, count, out);
    *n = count;
    return PPQ_OK;
}

ppq_status ppq_args_list(const ppq_args *a, int slot, const char *name, int64_t *out, int64_t cap,
                         int64_t *n, bool *given)
{
    *given = ppq_args_has(a, slot);
    if (*given)
        return ppq_args_ints(a, slot, out, cap, n);
    const int64_t *v;
    const size_t count = ppq_op_attr_ints(ppq_args_op(a), name, &v);
    if (count > (size_t) cap)
        return ppq_args_fail(a, "%s has %zu values, at most %" PRId64 " make sense", name, count,
                             cap);
    *given = ppq_op_attr(ppq_args_op(a), name) != NULL;
    *n = (int64_t) count;
    if (count)
        memcpy(out, v, count * sizeof(*v));
    return PPQ_OK;
}

ppq_status ppq_args_axis(const ppq_args *a, int64_t axis, int rank, int *out)
{
    if (!ppq_axis_normalize(axis, rank, out))
        return ppq_args_fail(a, "axis is %" PRId64 ", the legal range is [%d, %d)", axis, -rank,
                             rank);
    return PPQ_OK;
}

ppq_status ppq_args_axes(const ppq_args *a, const int64_t *axes, int64_t n, int rank,
                         uint32_t *mask)
{
    *mask = 0;
    for (int64_t i = 0; i < n; i++) {
        int k;
        PPQ_TRY(ppq_args_axis(a, axes[i], rank, &k));
        if (*mask & 1u << k)
            return ppq_args_fail(a, "axis %d is given twice", k);
        *mask |= 1u << k;
    }
    return PPQ_OK;
}

ppq_status ppq_args_choice(const ppq_args *a, const char *name, const char *const *names, int *out)
{
    const ppq_op *op = ppq_args_op(a);
    const ppq_attr *attr = ppq_op_attr(op, name);
    *out = 0;
    if (!attr)
        return PPQ_OK;
    for (int i = 0; names[i]; i++)
        if (ppq_op_attr_is(op, name, names[i])) {
            *out = i;
            return PPQ_OK;
        }
    if (attr->kind != PPQ_ATTR_STRING)
        return ppq_args_fail(a, "%s is not a string", name);
    return ppq_args_fail(a, "%s is \"%.*s\", which is not a known value", name,
                         (int) PPQ_MIN(attr->u.s.size, (size_t) 80), attr->u.s.data);
}

bool ppq_dim_merge(int64_t a, int64_t b, int64_t *out)
{
    if (a >= 0 && b >= 0 && a != b)
        return false;
    *out = a >= 0 ? a : b >= 0 ? b : a != PPQ_DIM_UNKNOWN ? a : b;
    return true;
}

int64_t ppq_dim_add(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < 0 || b < 0 || a > INT64_MAX - b ? PPQ_DIM_UNKNOWN : a + b;
}

int64_t ppq_dim_mul(int64_t a, int64_t b)
{
    if (a == 1 || b == 1)
        return a * b; // keeps a symbol
    if (a == 0 || b == 0)
        return 0;
    return a < 0 || b < 0 || a > INT64_MAX / b ? PPQ_DIM_UNKNOWN : a * b;
}

int64_t ppq_dim_div(int64_t a, int64_t b)
{
    return a >= 0 ? a / b : b == 1 ? a : PPQ_DIM_UNKNOWN;
}

int64_t ppq_dims_product(const ppq_shape *s, int from, int to)
{
    int64_t n = 1;
    for (int i = from; i < to; i++)
        n = ppq_dim_mul(n, s->dim[i]);
    return n;
}

ppq_shape ppq_shape_unknown(int rank)
{
    ppq_shape s = { .rank = rank };
    for (int i = 0; i < rank; i++)
        s.dim[i] = PPQ_DIM_UNKNOWN;
    return s;
}

ppq_status ppq_args_out_rank(const ppq_args *a, int rank)
{
    if (rank > PPQ_MAX_RANK)
        return ppq_args_fail(a, "the output would have %d dimensions, at most %d are supported",
                             rank, PPQ_MAX_RANK);
    return PPQ_OK;
}

ppq_status ppq_infer_out(ppq_infer_ctx *c, int i, ppq_dtype dt, const ppq_shape *s)
{
    if (i >= c->op->n_out)
        return PPQ_OK;
    ppq_shape some = *s; // without dimensions of 0, which would hide absurd other ones
    for (int k = 0; k < s->rank; k++)
        some.dim[k] = s->dim[k] == 0 ? 1 : s->dim[k];
    if (ppq_shape_known(s) &&
        ppq_shape_bytes(&some, dt == PPQ_DT_NONE ? PPQ_DT_U8 : dt) == SIZE_MAX) {
        char b[192];
        return ppq_infer_fail(c, "output %d would have the shape %s, more than can be addressed", i,
                              ppq_shape_str(s, b, sizeof(b)));
    }
    c->out_shape[i] = *s;
    c->out_dtype[i] = dt;
    return PPQ_OK;
}

ppq_status ppq_infer_plan(ppq_infer_ctx *c, ppq_plan plan)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape out;
    PPQ_TRY(plan(&a, &out));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

ppq_status ppq_infer_axis_plan(ppq_infer_ctx *c, int slot, ppq_axis_plan plan)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape out;
    int axis;
    PPQ_TRY(plan(&a, &axis, &out));
    return ppq_infer_out(c, 0, c->in_dtype[slot], &out);
}

ppq_status ppq_run_out(ppq_kernel_ctx *c, int i, ppq_dtype dt, const ppq_shape *s)
{
    const ppq_tensor *t = &c->out[i];
    if (t->buf && t->dtype == dt && t->layout == PPQ_LAYOUT_PLAIN && ppq_shape_equal(&t->shape, s))
        return PPQ_OK;
    return ppq_kernel_alloc(c, i, dt, s);
}

ppq_status ppq_run_plan(ppq_kernel_ctx *c, ppq_plan plan, ppq_shape *out)
{
    const ppq_args a = ppq_args_run(c);
    PPQ_TRY(plan(&a, out));
    return ppq_run_out(c, 0, c->in[0]->dtype, out);
}

ppq_status ppq_run_indices(ppq_kernel_ctx *c, int slot, int64_t dim, ppq_tensor *out)
{
    const ppq_tensor *t = c->in[slot];
    if (!is_index_type(t->dtype))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input %d is %s, expected int64 or int32", slot,
                               ppq_dtype_name(t->dtype));
    const int64_t n = ppq_shape_numel(&t->shape);
    PPQ_TRY(ppq_kernel_temp(c, (size_t) n * sizeof(int64_t), out));
    int64_t *v = ppq_tensor_data(out);
    ppq_load_i64(t, 0, n, v);
    for (int64_t i = 0; i < n; i++) {
        if (v[i] < -dim || v[i] >= dim) {
            const int64_t bad = v[i];
            ppq_tensor_unref(out);
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                                   "index %" PRId64 " (element %" PRId64
                                   " of input %d) is outside [%" PRId64 ", %" PRId64 ")",
                                   bad, i, slot, -dim, dim);
        }
        if (v[i] < 0)
            v[i] += dim;
    }
    return PPQ_OK;
}
