#include <string.h>

#include "executor/dnnl/nhwc.h"

// Add, Sub, Mul, Div and PRelu of a tensor with one value per channel, [N or 1, C, 1, ...],
// channels-last. Such an operand has the same bytes in both layouts.

static bool is_per_channel(const ppq_shape *p, const ppq_shape *x)
{
    const int missing = x->rank - p->rank; // of the leading dimensions
    if (x->rank < 4 || missing < 0 || missing > 1 || x->dim[1] < 2)
        return false;
    for (int i = 0; i < p->rank; i++) {
        const int d = i + missing;
        const bool fits = d == 0   ? p->dim[i] == 1 || p->dim[i] == x->dim[0]
                          : d == 1 ? p->dim[i] == x->dim[1]
                                   : p->dim[i] == 1;
        if (!fits)
            return false;
    }
    return true;
}

// Which of the two inputs is the tensor; -1 when the kernel is not for them.
static int big_input(const ppq_shape *in, const ppq_shape *out)
{
    for (int big = 0; big < 2; big++)
        if (ppq_shape_equal(&in[big], out) && !ppq_shape_equal(&in[1 - big], out) &&
            is_per_channel(&in[1 - big], out))
            return big;
    return -1;
}

static bool supports(const ppq_kernel_spec *s)
{
    if (!ppq_spec_is_f32(s) || !ppq_spec_has(s, 1))
        return false;
    const int big = big_input(s->in_shape, s->out_shape);
    return big >= 0 && !s->in_const[big]; // constants come in plain layout
}

static bool supports_p_relu(const ppq_kernel_spec *s)
{
    return supports(s) && big_input(s->in_shape, s->out_shape) == 0;
}

typedef void (*row_fn)(float *restrict y, const float *restrict a, const float *restrict b,
                       int64_t n);

static ppq_status run(ppq_kernel_ctx *c, row_fn row)
{
    const ppq_shape in[2] = { c->in[0]->shape, c->in[1]->shape };
    const int big = big_input(in, &c->out[0].shape);
    const ppq_nhwc d = ppq_nhwc_of(&c->out[0].shape);
    const int64_t times = ppq_nhwc_repeats(d), size = d.pixels * d.channels;
    const int64_t batch_step = ppq_shape_numel(&in[1 - big]) == d.channels ? 0 : d.channels;
    ppq_tensor values;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) (times * d.channels) * sizeof(float), &values));
    float *v = ppq_tensor_data(&values);
    for (int64_t n = 0; n < d.batch; n++) {
        const float *x = ppq_f32(c->in[big]) + n * size;
        float *y = ppq_f32(&c->out[0]) + n * size;
        memcpy(v, ppq_f32(c->in[1 - big]) + n * batch_step, (size_t) d.channels * sizeof(*v));
        ppq_nhwc_repeat(v, d, times);
        for (int64_t at = 0; at < size; at += times * d.channels)
            row(y + at, big ? v : x + at, big ? x + at : v, PPQ_MIN(times * d.channels, size - at));
    }
    ppq_tensor_unref(&values);
    return PPQ_OK;
}

#define DEFINE_BINARY(stem, type, can, expr)                                                    \
    static void stem##_row(float *restrict y, const float *restrict a, const float *restrict b, \
                           int64_t n)                                                           \
    {                                                                                           \
        for (int64_t i = 0; i < n; i++)                                                         \
            y[i] = (expr);                                                                      \
    }                                                                                           \
                                                                                                \
    static ppq_status stem##_forward(const void *state, ppq_kernel_ctx *c)                      \
    {                                                                                           \
        (void) state;                                                                           \
        return run(c, stem##_row);                                                              \
    }                                                                                           \
                                                                                                \
    const ppq_kernel ppq_kernel_##stem = {                                                      \
        .name = "nhwc-" #stem,                                                                  \
        .op_type = (type),                                                                      \
        .channels_last = true,                                                                  \
        .supports = (can),                                                                      \
        .prepare = ppq_prepare_nothing,                                                         \
        .forward = stem##_forward,                                                              \
    };

DEFINE_BINARY(add, "Add", supports, a[i] + b[i])
DEFINE_BINARY(sub, "Sub", supports, a[i] - b[i])
DEFINE_BINARY(mul, "Mul", supports, a[i] * b[i])
DEFINE_BINARY(div, "Div", supports, a[i] / b[i])

// The product in any case: vectors do not branch.
static inline float slope(float a, float b)
{
    const float below = a * b;
    return a < 0 ? below : a;
}
DEFINE_BINARY(p_relu, "PRelu", supports_p_relu, slope(a[i], b[i]))
