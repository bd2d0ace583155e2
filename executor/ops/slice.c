#include <inttypes.h>

#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/move.h"

// Elements start, start + step, ... before end of every dimension in axes.

typedef struct range {
    int64_t start, step, count; // count PPQ_DIM_UNKNOWN or a symbol when not known yet
} range;

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

// Negative positions count from the end; what lies outside is cut off.
static range resolve(int64_t start, int64_t end, int64_t step, int64_t dim)
{
    const bool all = start == 0 && end == INT64_MAX && step == 1;
    if (dim < 0)
        return (range){ 0, 1, all ? dim : PPQ_DIM_UNKNOWN };
    start += start < 0 ? dim : 0;
    end += end < 0 ? dim : 0;
    range r = { .step = step };
    if (step > 0) {
        r.start = clamp(start, 0, dim);
        end = clamp(end, 0, dim);
        r.count = end > r.start ? (end - r.start - 1) / step + 1 : 0;
    } else {
        r.start = clamp(start, -1, dim - 1);
        end = clamp(end, -1, dim - 1);
        r.count = r.start > end ? (r.start - end - 1) / -PPQ_MAX(step, -INT64_MAX) + 1 : 0;
    }
    if (r.count <= 1)
        r.step = 1; // a huge step must not reach the strides
    if (r.count == 0)
        r.start = 0;
    return r;
}

static ppq_status plan(const ppq_args *a, range *ranges, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    int64_t start[PPQ_MAX_RANK], end[PPQ_MAX_RANK], axes[PPQ_MAX_RANK], step[PPQ_MAX_RANK];
    int64_t n, n_end, n_axes, n_step;
    PPQ_TRY(ppq_args_ints(a, 1, start, PPQ_MAX_RANK, &n));
    PPQ_TRY(ppq_args_ints(a, 2, end, PPQ_MAX_RANK, &n_end));
    PPQ_TRY(ppq_args_ints(a, 3, axes, PPQ_MAX_RANK, &n_axes));
    PPQ_TRY(ppq_args_ints(a, 4, step, PPQ_MAX_RANK, &n_step));
    *out = ppq_shape_unknown(x->rank);
    if (x->rank < 0 || (n_axes < 0 && ppq_args_has(a, 3)))
        return PPQ_OK;
    const bool known = n >= 0 && n_end >= 0 && (n_step >= 0 || !ppq_args_has(a, 4));
    const int64_t n_cut = ppq_args_has(a, 3) ? n_axes : n >= 0 ? n : n_end;
    if (n_cut < 0)
        return PPQ_OK;
    if ((n >= 0 && n != n_cut) || (n_end >= 0 && n_end != n_cut) ||
        (n_step >= 0 && n_step != n_cut) || n_cut > x->rank)
        return ppq_args_fail(a,
                             "starts, ends, axes and steps differ in length or exceed the rank "
                             "of %d",
                             x->rank);
    for (int i = 0; i < x->rank; i++) {
        out->dim[i] = x->dim[i];
        ranges[i] = (range){ 0, 1, x->dim[i] };
    }
    for (int64_t i = 0; i < n_cut; i++) {
        int k = 0;
        PPQ_TRY(ppq_args_axis(a, ppq_args_has(a, 3) ? axes[i] : i, x->rank, &k));
        if (n_step >= 0 && step[i] == 0)
            return ppq_args_fail(a, "the step of axis %d is 0", k);
        if (known)
            ranges[k] = resolve(start[i], end[i], n_step >= 0 ? step[i] : 1, x->dim[k]);
        out->dim[k] = known ? ranges[k].count : PPQ_DIM_UNKNOWN;
    }
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    range ranges[PPQ_MAX_RANK];
    ppq_shape out;
    PPQ_TRY(plan(&a, ranges, &out));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *x = c->in[0];
    range ranges[PPQ_MAX_RANK];
    ppq_shape out;
    PPQ_TRY(plan(&a, ranges, &out));
    PPQ_TRY(ppq_run_out(c, 0, x->dtype, &out));
    if (ppq_shape_numel(&out) == 0)
        return PPQ_OK;
    int64_t stride[PPQ_MAX_RANK], first = 0;
    ppq_shape_strides(&x->shape, stride);
    for (int i = 0; i < out.rank; i++) {
        first += ranges[i].start * stride[i];
        stride[i] *= ranges[i].step;
    }
    ppq_copy_dense(ppq_tensor_data(&c->out[0]), ppq_element(x, first), stride, out.dim, out.rank,
                   ppq_dtype_size(x->dtype));
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_slice = {
    .type = "Slice",
    .domain = "",
    .opset_min = 1,
    .in_min = 3,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .soi_in = 0x1e, // starts, ends, axes, steps
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_moved,
};
