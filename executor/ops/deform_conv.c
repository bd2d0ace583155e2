#include <inttypes.h>
#include <math.h>

#include "executor/ops/conv_shape.h"
#include "executor/ops/doubled.h"
#include "executor/ops/real.h"

// Conv in two dimensions whose taps are moved by offsets, read between pixels, and weighted by an
// optional mask.

enum { X, W, OFFSET, BIAS, MASK };

typedef struct deform {
    ppq_conv_shape conv;
    int64_t offset_groups;
} deform;

static ppq_status plan(const ppq_args *a, deform *d)
{
    const ppq_shape *bias = ppq_args_has(a, BIAS) ? ppq_args_shape(a, BIAS) : NULL;
    const ppq_shape *x = ppq_args_shape(a, X);
    ppq_reason why;
    d->offset_groups = ppq_op_attr_int(ppq_args_op(a), "offset_group", 1);
    if (!ppq_conv_shape_init(&d->conv, ppq_args_op(a), false, x, ppq_args_shape(a, W), bias, &why))
        return ppq_args_fail(a, "%s", why.text);
    if (x->rank >= 0 && x->rank != 4)
        return ppq_args_fail(a, "the input has rank %d, only 4 is supported", x->rank);
    if (d->offset_groups < 1 || d->offset_groups > INT32_MAX ||
        (x->rank == 4 && x->dim[1] >= 0 && x->dim[1] % d->offset_groups))
        return ppq_args_fail(a, "offset_group is %" PRId64 ", which does not divide the channels",
                             d->offset_groups);
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    deform d;
    PPQ_TRY(ppq_infer_floats(c, 3, 5));
    PPQ_TRY(plan(&a, &d));
    return ppq_infer_out(c, 0, c->in_dtype[X], &d.conv.y);
}

// Between pixels; 0 outside.
static double sample(const double *plane, int64_t h, int64_t w, double y, double x)
{
    if (!(y > -1 && y < (double) h && x > -1 && x < (double) w))
        return 0;
    const double top = floor(y), left = floor(x);
    double v = 0;
    for (int k = 0; k < 4; k++) {
        const double r = top + k / 2, s = left + k % 2;
        if (r >= 0 && s >= 0 && r < (double) h && s < (double) w)
            v += (1 - fabs(y - r)) * (1 - fabs(x - s)) * plane[(int64_t) r * w + (int64_t) s];
    }
    return v;
}

typedef struct place {
    int64_t n, y, x; // batch, output row and column
} place;

// One input channel under the whole kernel, times the weights of one output channel.
static double window(const ppq_kernel_ctx *c, const deform *d, const place *p, int64_t channel,
                     const double *weight)
{
    const ppq_window *win = &d->conv.win;
    const int64_t taps = win->kernel[0] * win->kernel[1], points = win->out[0] * win->out[1];
    const int64_t channels = c->in[X]->shape.dim[1], h = win->in[0], w = win->in[1];
    const int64_t group = p->n * d->offset_groups + channel / (channels / d->offset_groups);
    const int64_t at = p->y * win->out[1] + p->x;
    const double *plane = ppq_f64(c->in[X]) + (p->n * channels + channel) * h * w;
    const double *offset = ppq_f64(c->in[OFFSET]) + group * 2 * taps * points + at;
    const double *mask = c->op->n_in > MASK && c->in[MASK]
                             ? ppq_f64(c->in[MASK]) + group * taps * points + at
                             : NULL;
    double sum = 0;
    for (int64_t t = 0; t < taps; t++) {
        const int64_t i = t / win->kernel[1], j = t % win->kernel[1];
        const double y = (double) (p->y * win->stride[0] - win->pad_lo[0] + i * win->dilation[0]) +
                         offset[2 * t * points];
        const double x = (double) (p->x * win->stride[1] - win->pad_lo[1] + j * win->dilation[1]) +
                         offset[(2 * t + 1) * points];
        sum += weight[t] * sample(plane, h, w, y, x) * (mask ? mask[t * points] : 1);
    }
    return sum;
}

static bool has_count(const ppq_kernel_ctx *c, int slot, int64_t n)
{
    return slot >= c->op->n_in || !c->in[slot] || ppq_shape_numel(&c->in[slot]->shape) == n;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    deform d;
    PPQ_TRY(plan(&a, &d));
    const ppq_conv_shape *s = &d.conv;
    const int64_t taps = s->win.kernel[0] * s->win.kernel[1];
    const int64_t points = s->win.out[0] * s->win.out[1];
    const int64_t moved = s->batch * d.offset_groups * taps * points;
    const double *bias = c->op->n_in > BIAS && c->in[BIAS] ? ppq_f64(c->in[BIAS]) : NULL;
    double *dst = ppq_f64(&c->out[0]);
    if (!has_count(c, OFFSET, 2 * moved) || !has_count(c, MASK, moved))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "offsets or mask do not fit the output");
    for (int64_t n = 0; n < s->batch; n++)
        for (int64_t o = 0; o < s->groups * s->oc; o++)
            for (int64_t i = 0; i < points; i++) {
                const place p = { n, i / s->win.out[1], i % s->win.out[1] };
                double v = bias ? bias[o] : 0;
                for (int64_t k = 0; k < s->ic; k++)
                    v += window(c, &d, &p, o / s->oc * s->ic + k,
                                ppq_f64(c->in[W]) + (o * s->ic + k) * taps);
                *dst++ = v;
            }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_doubled(c, run);
}

const ppq_op_def ppq_op_deform_conv = {
    .type = "DeformConv",
    .domain = "",
    .opset_min = 19,
    .in_min = 3,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
