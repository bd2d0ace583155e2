#include "executor/ops/classify.h"

#include "executor/ops/convert.h"

ppq_status ppq_infer_classify(ppq_infer_ctx *c)
{
    c->out_shape[0] = c->in_shape[0];
    c->out_dtype[0] = PPQ_DT_BOOL;
    return PPQ_OK;
}

ppq_status ppq_run_classify(ppq_kernel_ctx *c, bool (*test)(double v))
{
    enum { CHUNK = 256 };
    const ppq_tensor *x = c->in[0];
    if (!ppq_convert_knows(x->dtype))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "an input of %s is not supported",
                               ppq_dtype_name(x->dtype));
    uint8_t *y = ppq_tensor_data(&c->out[0]);
    const int64_t n = ppq_shape_numel(&x->shape);
    for (int64_t i = 0; i < n; i += CHUNK) {
        const int64_t m = PPQ_MIN(n - i, (int64_t) CHUNK);
        double v[CHUNK];
        ppq_load_f64(x, i, m, v);
        for (int64_t k = 0; k < m; k++)
            y[i + k] = test(v[k]);
    }
    return PPQ_OK;
}
