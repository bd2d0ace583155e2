#include <math.h>
#include <string.h>

#include "executor/dnnl/nhwc.h"

// InstanceNormalization, channels-last: three passes over each sample, a row of channels at a time.

static bool supports(const ppq_kernel_spec *s)
{
    return ppq_spec_is_f32_last(s);
}

// Turns the statistics of a sample into y = x * scale + shift.
static void fold(const ppq_kernel_ctx *c, ppq_nhwc d, const double *mean, const double *sq,
                 float *scale, float *shift)
{
    const double eps = (double) ppq_op_attr_float(c->op, "epsilon", 1e-5f);
    for (int64_t i = 0; i < d.channels; i++) {
        const double a = (double) ppq_f32(c->in[1])[i] / sqrt(sq[i] / (double) d.pixels + eps);
        scale[i] = (float) a;
        shift[i] = (float) ((double) ppq_f32(c->in[2])[i] - mean[i] * a);
    }
}

static void statistics(const float *x, ppq_nhwc d, double *restrict mean, double *restrict sq)
{
    memset(mean, 0, (size_t) d.channels * sizeof(*mean));
    memset(sq, 0, (size_t) d.channels * sizeof(*sq));
    for (int64_t p = 0; p < d.pixels; p++)
        for (int64_t i = 0; i < d.channels; i++)
            mean[i] += (double) x[p * d.channels + i];
    for (int64_t i = 0; i < d.channels; i++)
        mean[i] /= (double) d.pixels;
    for (int64_t p = 0; p < d.pixels; p++)
        for (int64_t i = 0; i < d.channels; i++) {
            const double diff = (double) x[p * d.channels + i] - mean[i];
            sq[i] += diff * diff;
        }
}

static ppq_status forward(const void *state, ppq_kernel_ctx *c)
{
    (void) state;
    const ppq_nhwc d = ppq_nhwc_of(&c->in[0]->shape);
    ppq_tensor temp;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) d.channels * 2 * (sizeof(double) + sizeof(float)), &temp));
    double *mean = ppq_tensor_data(&temp), *sq = mean + d.channels;
    float *scale = (float *) (sq + d.channels), *shift = scale + d.channels;
    for (int64_t n = 0; n < d.batch; n++) {
        const float *x = ppq_f32(c->in[0]) + n * d.pixels * d.channels;
        float *y = ppq_f32(&c->out[0]) + n * d.pixels * d.channels;
        statistics(x, d, mean, sq);
        fold(c, d, mean, sq, scale, shift);
        for (int64_t p = 0; p < d.pixels; p++)
            ppq_nhwc_affine(y + p * d.channels, x + p * d.channels, scale, shift, d.channels);
    }
    ppq_tensor_unref(&temp);
    return PPQ_OK;
}

const ppq_kernel ppq_kernel_instance_normalization = {
    .name = "nhwc-instance-norm",
    .op_type = "InstanceNormalization",
    .channels_last = true,
    .supports = supports,
    .prepare = ppq_prepare_nothing,
    .forward = forward,
};
