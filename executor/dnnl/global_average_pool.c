#include <string.h>

#include "executor/dnnl/nhwc.h"

// GlobalAveragePool, channels-last; sums in double.

static bool supports(const ppq_kernel_spec *s)
{
    return ppq_spec_is_f32_last(s);
}

static ppq_status forward(const void *state, ppq_kernel_ctx *c)
{
    (void) state;
    const ppq_nhwc d = ppq_nhwc_of(&c->in[0]->shape);
    ppq_tensor temp;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) d.channels * sizeof(double), &temp));
    double *sum = ppq_tensor_data(&temp);
    const float *x = ppq_f32(c->in[0]);
    float *y = ppq_f32(&c->out[0]);
    for (int64_t n = 0; n < d.batch; n++, y += d.channels) {
        memset(sum, 0, (size_t) d.channels * sizeof(*sum));
        for (int64_t p = 0; p < d.pixels; p++, x += d.channels)
            for (int64_t i = 0; i < d.channels; i++)
                sum[i] += (double) x[i];
        for (int64_t i = 0; i < d.channels; i++)
            y[i] = (float) (sum[i] / (double) d.pixels);
    }
    ppq_tensor_unref(&temp);
    return PPQ_OK;
}

const ppq_kernel ppq_kernel_global_average_pool = {
    .name = "nhwc-global-average-pool",
    .op_type = "GlobalAveragePool",
    .channels_last = true,
    .supports = supports,
    .prepare = ppq_prepare_nothing,
    .forward = forward,
};
