#include <inttypes.h>

#include "executor/ops/doubled.h"
#include "executor/ops/fourier.h"
#include "executor/ops/real.h"

// Fourier transforms of overlapping frames of a signal (B, length, 1 or 2), each multiplied by a
// window: (B, frames, bins, 2).

typedef struct stft {
    int64_t step, frame, frames, bins; // negative: not known yet
    bool onesided;
} stft;

static ppq_status plan(const ppq_args *a, stft *s, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0), *window = ppq_args_shape(a, 2);
    const int64_t u = PPQ_DIM_UNKNOWN;
    int64_t n_step, n_frame;
    *s = (stft){ u, u, u, u, ppq_op_attr_int(ppq_args_op(a), "onesided", 1) != 0 };
    PPQ_TRY(ppq_args_ints(a, 1, &s->step, 1, &n_step));
    PPQ_TRY(ppq_args_ints(a, 3, &s->frame, 1, &n_frame));
    if (n_step == 0 || (n_step == 1 && s->step < 1))
        return ppq_args_fail(a, "frame_step is %" PRId64 ", expected at least 1", s->step);
    if (n_frame == 0 || (n_frame == 1 && s->frame < 1))
        return ppq_args_fail(a, "frame_length is %" PRId64 ", expected at least 1", s->frame);
    bool fits = (x->rank < 0 || x->rank == 3) && (window->rank < 0 || window->rank == 1);
    if (fits && window->rank == 1)
        fits = ppq_dim_merge(s->frame, window->dim[0], &s->frame);
    const int64_t length = x->rank == 3 ? x->dim[1] : u;
    if (fits && !ppq_args_has(a, 2) && !ppq_args_has(a, 3))
        s->frame = length;
    if (fits && x->rank == 3 && x->dim[2] >= 0)
        fits = x->dim[2] == 1 || (x->dim[2] == 2 && !s->onesided);
    if (!fits || (s->frame >= 0 && (s->frame < 1 || s->frame > INT32_MAX)) ||
        (s->frame >= 0 && length >= 0 && s->frame > length))
        return ppq_args_fail(a, "signal, window and frame_length do not fit together");
    if (s->frame >= 0)
        s->bins = s->onesided ? s->frame / 2 + 1 : s->frame;
    if (s->frame >= 0 && length >= 0 && n_step == 1)
        s->frames = (length - s->frame) / s->step + 1;
    *out = (ppq_shape){ 4, { x->rank == 3 ? x->dim[0] : u, s->frames, s->bins, 2 } };
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    stft s;
    ppq_shape out;
    PPQ_TRY(ppq_infer_floats(c, 2, 1));
    PPQ_TRY(plan(&a, &s, &out));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

static void transform_frames(ppq_kernel_ctx *c, const stft *s, ppq_complex *buffer)
{
    const ppq_tensor *x = c->in[0], *window = c->op->n_in > 2 ? c->in[2] : NULL;
    const int64_t length = x->shape.dim[1], parts = x->shape.dim[2];
    ppq_complex *line = buffer, *result = line + s->frame, *temp = result + s->frame;
    ppq_complex *root = temp + s->frame;
    double *y = ppq_f64(&c->out[0]);
    ppq_fourier_roots(root, s->frame, false);
    for (int64_t f = 0; f < x->shape.dim[0] * s->frames; f++) {
        const int64_t at = f / s->frames * length + f % s->frames * s->step;
        const double *v = ppq_f64(x) + at * parts;
        for (int64_t i = 0; i < s->frame; i++) {
            const double w = window ? ppq_f64(window)[i] : 1;
            line[i] = (ppq_complex){ w * v[i * parts], parts > 1 ? w * v[i * parts + 1] : 0 };
        }
        ppq_fourier(line, result, s->frame, root, temp);
        for (int64_t k = 0; k < s->bins; k++) {
            *y++ = result[k].re;
            *y++ = result[k].im;
        }
    }
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    stft s;
    ppq_shape out;
    ppq_tensor memory;
    PPQ_TRY(plan(&a, &s, &out));
    if (ppq_shape_numel(&out) == 0)
        return PPQ_OK;
    if (c->op->n_in > 2 && c->in[2] && c->in[2]->dtype != PPQ_DT_F64)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the window is %s, expected a float type",
                               ppq_dtype_name(c->in[2]->dtype));
    PPQ_TRY(ppq_kernel_temp(c, 4 * (size_t) s.frame * sizeof(ppq_complex), &memory));
    transform_frames(c, &s, ppq_tensor_data(&memory));
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_doubled(c, run);
}

const ppq_op_def ppq_op_stft = {
    .type = "STFT",
    .domain = "",
    .opset_min = 17,
    .in_min = 2,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .soi_in = 0xA, // frame step and length
    .infer = infer,
    .forward = forward,
};
