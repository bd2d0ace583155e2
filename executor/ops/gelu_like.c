#include "executor/ops/gelu_like.h"

#include "executor/ops/convert.h"
#include "executor/ops/real.h"

ppq_status ppq_infer_gelu_like(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 1, 2));
    return ppq_infer_out(c, 0, c->in_dtype[0], &c->in_shape[0]);
}

ppq_status ppq_run_gelu_like(ppq_kernel_ctx *c, double (*f)(double x, double alpha))
{
    const ppq_tensor *x = c->in[0], *bias = c->op->n_in > 1 ? c->in[1] : NULL;
    const int64_t n = ppq_shape_numel(&x->shape);
    const int64_t columns = x->shape.rank > 0 ? x->shape.dim[x->shape.rank - 1] : 1;
    const double alpha = (double) ppq_op_attr_float(c->op, "alpha", 1.702f);
    if (bias && ppq_shape_numel(&bias->shape) != columns)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the bias does not fit the last dimension");
    for (int64_t i = 0; i < n; i++) {
        double v, b = 0;
        ppq_load_f64(x, i, 1, &v);
        if (bias)
            ppq_load_f64(bias, i % columns, 1, &b);
        v = f(v + b, alpha);
        ppq_store_f64(&c->out[0], i, 1, &v, PPQ_CONVERT_DEFAULT);
    }
    return PPQ_OK;
}
