#include "executor/ops/stored.h"

#include <math.h>

#include "executor/exec.h"
#include "executor/ops/convert.h"
#include "executor/ops/doubled.h"

enum { INNER_OPSET = 13, MAX_INNER = 256 };

static ppq_status inner_op(const ppq_op *op, const char *type, int n, ppq_arena *a, ppq_op *inner)
{
    *inner = *op;
    inner->type = type;
    inner->domain = "";
    inner->def = ppq_op_def_find("", type);
    inner->n_in = n;
    inner->n_out = 1;
    inner->n_implicit = 0;
    inner->tqc_in = inner->tqc_out = NULL;
    if (a) { // presence is looked up there; which var it is does not matter
        inner->in = ppq_new_n(a, ppq_var *, (size_t) n + 1);
        for (int i = 0; i < n; i++)
            inner->in[i] = op->in[0];
    }
    return inner->def ? PPQ_OK : PPQ_ERR_UNSUPPORTED;
}

ppq_status ppq_inner_infer(ppq_infer_ctx *c, const char *type, const ppq_shape *in, int n,
                           ppq_shape *out)
{
    const ppq_tensor *value[MAX_INNER] = { NULL };
    ppq_dtype dtype[MAX_INNER], out_dtype = PPQ_DT_NONE;
    bool has[MAX_INNER];
    ppq_op inner;
    *out = (ppq_shape){ .rank = -1 };
    if (n > MAX_INNER)
        return PPQ_OK;
    PPQ_TRY(inner_op(c->op, type, n, NULL, &inner));
    for (int i = 0; i < n; i++) {
        dtype[i] = PPQ_DT_F64;
        has[i] = true;
    }
    ppq_infer_ctx ic = { &inner, INNER_OPSET, value, in, dtype, has, out, &out_dtype, c->diag };
    return inner.def->infer(&ic);
}

static ppq_status eval(ppq_kernel_ctx *c, ppq_op *inner, const ppq_tensor *in, int n,
                       ppq_tensor *out)
{
    const ppq_tensor **ptr = ppq_new_n(c->scratch, const ppq_tensor *, (size_t) n + 1);
    for (int i = 0; i < n; i++)
        ptr[i] = in[i].buf ? &in[i] : NULL;
    return ppq_op_eval(inner, INNER_OPSET, ptr, out, c->diag);
}

ppq_status ppq_inner_eval(ppq_kernel_ctx *c, const char *type, const ppq_tensor *in, int n,
                          ppq_tensor *out)
{
    ppq_op inner;
    PPQ_TRY(inner_op(c->op, type, n, c->scratch, &inner));
    return eval(c, &inner, in, n, out);
}

ppq_status ppq_inner_eval_bare(ppq_kernel_ctx *c, const char *type, const ppq_tensor *in, int n,
                               ppq_tensor *out)
{
    ppq_op inner;
    PPQ_TRY(inner_op(c->op, type, n, c->scratch, &inner));
    inner.n_attrs = 0;
    return eval(c, &inner, in, n, out);
}

// ---- stored integers ------------------------------------------------------------------------

static const ppq_tensor *input(const ppq_kernel_ctx *c, int slot)
{
    return slot >= 0 && slot < c->op->n_in ? c->in[slot] : NULL;
}

// Element i of a list that repeats; `fallback` when it is absent.
static double pick(const ppq_tensor *t, int64_t i, double fallback)
{
    double v = fallback;
    if (t)
        ppq_load_f64(t, i % ppq_shape_numel(&t->shape), 1, &v);
    return v;
}

static bool is_list(const ppq_tensor *t, int64_t columns)
{
    if (!t)
        return true;
    const int64_t n = ppq_shape_numel(&t->shape);
    return ppq_convert_knows(t->dtype) && (n == 1 || (n == columns && n > 0));
}

ppq_status ppq_stored_load(ppq_kernel_ctx *c, ppq_stored_arg a, ppq_tensor *out)
{
    const ppq_tensor *x = input(c, a.value), *scale = input(c, a.scale), *zero = input(c, a.zero);
    const int rank = x ? x->shape.rank : 0;
    const int64_t lists = rank > 0 ? x->shape.dim[a.by_row ? 0 : rank - 1] : 1;
    if (!x || !ppq_convert_knows(x->dtype) || !is_list(scale, lists) || !is_list(zero, lists))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                               "input %d, its scale and its zero point do not fit together",
                               a.value);
    if (ppq_tensor_alloc_pool(out, PPQ_DT_F64, &x->shape, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate a float64 copy");
    const int64_t n = ppq_shape_numel(&x->shape);
    const int64_t row = a.by_row && n ? n / lists : 1;
    double *v = ppq_f64(out);
    ppq_load_f64(x, 0, n, v);
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = i / row % lists;
        v[i] = (v[i] - pick(zero, k, 0)) * pick(scale, k, 1);
    }
    return PPQ_OK;
}

ppq_status ppq_stored_store(ppq_kernel_ctx *c, const ppq_tensor *real, ppq_dtype dt, int scale_slot,
                            int zero_slot)
{
    const ppq_tensor *scale = input(c, scale_slot), *zero = input(c, zero_slot);
    if ((dt != PPQ_DT_U8 && dt != PPQ_DT_I8) || !is_list(scale, 1) || !is_list(zero, 1))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                               "the output's scale and zero point must be single, "
                               "its type int8 or uint8");
    const double s = pick(scale, 0, 1), z = pick(zero, 0, 0);
    const double low = dt == PPQ_DT_U8 ? 0 : -128, high = low + 255;
    const int64_t n = ppq_shape_numel(&real->shape);
    PPQ_TRY(ppq_run_out(c, 0, dt, &real->shape));
    for (int64_t i = 0; i < n; i++) {
        // In float32 at the end, as the runtime has it: its ties are ours then.
        const double v = (double) rintf((float) (ppq_f64(real)[i] / s)) + z;
        const double q = v < low ? low : v > high ? high : v;
        ppq_store_f64(&c->out[0], i, 1, &q, PPQ_CONVERT_DEFAULT);
    }
    return PPQ_OK;
}

ppq_status ppq_infer_stored_op(ppq_infer_ctx *c, const ppq_stored_op *s)
{
    ppq_shape in[PPQ_COUNT(s->arg)], out;
    for (int i = 0; i < s->n_args; i++)
        in[i] = c->in_shape[s->arg[i].value];
    PPQ_TRY(ppq_inner_infer(c, s->inner, in, s->n_args, &out));
    return ppq_infer_out(c, 0, c->in_dtype[s->arg[0].value], &out);
}

ppq_status ppq_run_stored_op(ppq_kernel_ctx *c, const ppq_stored_op *s)
{
    ppq_tensor in[PPQ_COUNT(s->arg)] = { { 0 } }, out = { 0 };
    ppq_status st = PPQ_OK;
    if (s->check_layout && ppq_op_attr_int(c->op, "channels_last", 0))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "channels_last is not supported");
    for (int i = 0; i < s->n_args && st == PPQ_OK; i++)
        st = ppq_stored_load(c, s->arg[i], &in[i]);
    if (st == PPQ_OK)
        st = ppq_inner_eval(c, s->inner, in, s->n_args, &out);
    if (st == PPQ_OK)
        st = ppq_stored_store(c, &out, c->in[s->arg[0].value]->dtype, s->scale, s->zero);
    ppq_tensor_unref(&out);
    for (int i = 0; i < s->n_args; i++)
        ppq_tensor_unref(&in[i]);
    return st;
}
