#include <inttypes.h>

#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/move.h"

// The input with `pads` elements added (or, when negative, removed) before and after each axis:
// a constant, the mirrored, repeated or wrapped-around contents.

static const char *const mode_names[] = { "constant", "reflect", "edge", "wrap", NULL };
enum { CONSTANT, REFLECT, EDGE, WRAP };

typedef struct padding {
    int64_t before[PPQ_MAX_RANK], after[PPQ_MAX_RANK];
} padding;

// Which axis pair i of pads is for.
static ppq_status find_axes(const ppq_args *a, int rank, int64_t *axes, int64_t *n)
{
    PPQ_TRY(ppq_args_ints(a, 3, axes, PPQ_MAX_RANK, n));
    uint32_t mask;
    if (ppq_args_has(a, 3)) {
        if (*n < 0)
            return PPQ_OK;
        PPQ_TRY(ppq_args_axes(a, axes, *n, rank, &mask));
        for (int i = 0; i < *n; i++)
            axes[i] += axes[i] < 0 ? rank : 0;
        return PPQ_OK;
    }
    *n = rank;
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    return PPQ_OK;
}

static ppq_status pad_axis(const ppq_args *a, int axis, int mode, const padding *p, int64_t dim,
                           int64_t *out)
{
    const int64_t before = p->before[axis], after = p->after[axis];
    const int64_t limit = INT64_MAX / 4;
    *out = before == 0 && after == 0 ? dim : PPQ_DIM_UNKNOWN;
    if (before < -limit || before > limit || after < -limit || after > limit || dim > limit)
        return ppq_args_fail(a, "pads of %" PRId64 " and %" PRId64 " of axis %d are too large",
                             before, after, axis);
    if (dim < 0)
        return PPQ_OK;
    // What negative pads leave of the input is what the modes repeat.
    const int64_t kept = dim + PPQ_MIN(before, (int64_t) 0) + PPQ_MIN(after, (int64_t) 0);
    *out = dim + before + after;
    if (*out < 0)
        return ppq_args_fail(a,
                             "pads of %" PRId64 " and %" PRId64 " remove more than the %" PRId64
                             " elements of axis %d",
                             before, after, dim, axis);
    if (mode != CONSTANT && kept <= 0 && *out > 0)
        return ppq_args_fail(a, "axis %d has no elements to repeat", axis);
    return PPQ_OK;
}

static ppq_status plan(const ppq_args *a, int *mode, padding *p, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    int64_t pads[2 * PPQ_MAX_RANK], axes[PPQ_MAX_RANK], n, n_axes;
    PPQ_TRY(ppq_args_choice(a, "mode", mode_names, mode));
    PPQ_TRY(ppq_args_ints(a, 1, pads, 2 * PPQ_MAX_RANK, &n));
    *out = ppq_shape_unknown(x->rank);
    if (x->rank < 0)
        return PPQ_OK;
    PPQ_TRY(find_axes(a, x->rank, axes, &n_axes));
    if (n < 0 || n_axes < 0)
        return PPQ_OK;
    if (n != 2 * n_axes)
        return ppq_args_fail(
            a, "pads has %" PRId64 " entries, expected two for each of %" PRId64 " axes", n,
            n_axes);
    *p = (padding){ { 0 }, { 0 } };
    for (int i = 0; i < n_axes; i++) {
        p->before[axes[i]] = pads[i];
        p->after[axes[i]] = pads[n_axes + i];
    }
    for (int i = 0; i < x->rank; i++)
        PPQ_TRY(pad_axis(a, i, *mode, p, x->dim[i], &out->dim[i]));
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape out;
    padding p;
    int mode;
    PPQ_TRY(plan(&a, &mode, &p, &out));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

// The whole output as the constant, then the input's part over it.
static void pad_constant(const ppq_tensor *x, const padding *p, const void *value, ppq_tensor *y)
{
    const size_t es = ppq_dtype_size(x->dtype);
    int64_t dim[PPQ_MAX_RANK], xs[PPQ_MAX_RANK], ys[PPQ_MAX_RANK], from = 0, to = 0;
    ppq_shape_strides(&x->shape, xs);
    ppq_shape_strides(&y->shape, ys);
    ppq_fill(ppq_tensor_data(y), value, ppq_shape_numel(&y->shape), es);
    for (int i = 0; i < x->shape.rank; i++) {
        const int64_t first = PPQ_MAX(-p->before[i], (int64_t) 0);
        dim[i] = x->shape.dim[i] - first - PPQ_MAX(-p->after[i], (int64_t) 0);
        if (dim[i] <= 0)
            return;
        from += first * xs[i];
        to += PPQ_MAX(p->before[i], (int64_t) 0) * ys[i];
    }
    ppq_copy_nd(ppq_element(y, to), ys, ppq_element(x, from), xs, dim, x->shape.rank, es);
}

// Where element i of a padded axis comes from. [lo, hi) is what is left of the input.
static int64_t source(int mode, int64_t i, int64_t lo, int64_t hi)
{
    const int64_t n = hi - lo;
    if (mode == EDGE)
        return lo + PPQ_MAX((int64_t) 0, PPQ_MIN(i, n - 1));
    const int64_t period = mode == WRAP ? n : PPQ_MAX((int64_t) 1, 2 * (n - 1));
    const int64_t r = (i % period + period) % period;
    return lo + (r < n ? r : period - r);
}

// One table per axis says where its elements come from.
static ppq_status pad_repeat(ppq_kernel_ctx *c, int mode, const padding *p)
{
    const ppq_tensor *x = c->in[0];
    ppq_tensor *y = &c->out[0], memory;
    const int rank = x->shape.rank;
    int64_t *table[PPQ_MAX_RANK], total = 0, xs[PPQ_MAX_RANK];
    for (int i = 0; i < rank; i++)
        total += y->shape.dim[i];
    PPQ_TRY(ppq_kernel_temp(c, (size_t) total * sizeof(int64_t), &memory));
    int64_t *next = ppq_tensor_data(&memory);
    ppq_shape_strides(&x->shape, xs);
    for (int i = 0; i < rank; i++) {
        const int64_t lo = PPQ_MAX(-p->before[i], (int64_t) 0);
        const int64_t hi = x->shape.dim[i] - PPQ_MAX(-p->after[i], (int64_t) 0);
        table[i] = next;
        for (int64_t k = 0; k < y->shape.dim[i]; k++)
            *next++ = source(mode, k - PPQ_MAX(p->before[i], (int64_t) 0), lo, hi) * xs[i];
    }
    ppq_copy_mapped(x, y, table);
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    static const unsigned char zero[16];
    ppq_shape out;
    padding p;
    int mode;
    PPQ_TRY(plan(&a, &mode, &p, &out));
    PPQ_TRY(ppq_run_out(c, 0, c->in[0]->dtype, &out));
    if (ppq_shape_numel(&out) == 0)
        return PPQ_OK;
    if (out.rank == 0)
        return ppq_run_copy(c, &out);
    if (mode != CONSTANT)
        return pad_repeat(c, mode, &p);
    const ppq_tensor *value = ppq_args_value(&a, 2);
    if (value && (ppq_shape_numel(&value->shape) != 1 || value->dtype != c->in[0]->dtype))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "constant_value is not one %s",
                               ppq_dtype_name(c->in[0]->dtype));
    pad_constant(c->in[0], &p, value ? ppq_tensor_data(value) : zero, &c->out[0]);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_pad = {
    .type = "Pad",
    .domain = "",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE | PPQ_OP_FILLS,
    .soi_in = 0xe, // pads, constant_value, axes
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_moved,
};
