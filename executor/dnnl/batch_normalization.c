#include <math.h>

#include "executor/dnnl/nhwc.h"

// BatchNormalization of running statistics, channels-last.

static bool supports(const ppq_kernel_spec *s)
{
    return ppq_spec_is_f32_last(s) && s->op->n_out == 1 &&
           !ppq_op_attr_int(s->op, "training_mode", 0);
}

// scale[c], shift[c]: y = x * scale + shift.
static void fold(const ppq_kernel_ctx *c, int64_t channels, float *scale, float *shift)
{
    const double eps = (double) ppq_op_attr_float(c->op, "epsilon", 1e-5f);
    for (int64_t i = 0; i < channels; i++) {
        const double inv = 1 / sqrt((double) ppq_f32(c->in[4])[i] + eps);
        const double a = (double) ppq_f32(c->in[1])[i] * inv;
        scale[i] = (float) a;
        shift[i] = (float) ((double) ppq_f32(c->in[2])[i] - (double) ppq_f32(c->in[3])[i] * a);
    }
}

static ppq_status forward(const void *state, ppq_kernel_ctx *c)
{
    (void) state;
    const ppq_nhwc d = ppq_nhwc_of(&c->in[0]->shape);
    const int64_t row = d.channels * ppq_nhwc_repeats(d);
    ppq_tensor temp;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) row * 2 * sizeof(float), &temp));
    float *scale = ppq_tensor_data(&temp), *shift = scale + row;
    fold(c, d.channels, scale, shift);
    ppq_nhwc_repeat(scale, d, ppq_nhwc_repeats(d));
    ppq_nhwc_repeat(shift, d, ppq_nhwc_repeats(d));
    const int64_t size = d.batch * d.pixels * d.channels;
    for (int64_t at = 0; at < size; at += row)
        ppq_nhwc_affine(ppq_f32(&c->out[0]) + at, ppq_f32(c->in[0]) + at, scale, shift,
                        PPQ_MIN(row, size - at));
    ppq_tensor_unref(&temp);
    return PPQ_OK;
}

const ppq_kernel ppq_kernel_batch_normalization = {
    .name = "nhwc-batch-norm",
    .op_type = "BatchNormalization",
    .channels_last = true,
    .supports = supports,
    .prepare = ppq_prepare_nothing,
    .forward = forward,
};
