#include <inttypes.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/move.h"

// The input cut along `axis` into the sizes `split`, or into equal parts of which the last may
// be smaller.

// sizes[n_out]; PPQ_DIM_UNKNOWN where not known yet. `dim` is the dimension that is cut.
static ppq_status part_sizes(const ppq_args *a, int64_t dim, int64_t *sizes)
{
    const int n = ppq_args_op(a)->n_out;
    int64_t given_n, sum = 0;
    bool given;
    PPQ_TRY(ppq_args_list(a, 1, "split", sizes, n, &given_n, &given));
    if (given && given_n >= 0) {
        if (given_n != n)
            return ppq_args_fail(a, "split has %" PRId64 " sizes for %d outputs", given_n, n);
        for (int i = 0; i < n; i++) {
            if (sizes[i] < 0)
                return ppq_args_fail(a, "split[%d] is %" PRId64 ", a size is at least 0", i,
                                     sizes[i]);
            sum = sum < 0 ? sum : ppq_dim_add(sum, sizes[i]);
        }
        if (dim >= 0 && sum != dim)
            return ppq_args_fail(
                a, "the sizes in split sum up to %" PRId64 ", but the dimension is %" PRId64, sum,
                dim);
        return PPQ_OK;
    }
    const bool known = !given && dim >= 0;
    int64_t rest = dim;
    for (int i = 0; i < n; i++) {
        sizes[i] = known ? PPQ_MIN(rest, dim / n + (dim % n != 0)) : PPQ_DIM_UNKNOWN;
        rest -= known ? sizes[i] : 0;
    }
    if (known && n && dim % n && ppq_args_opset(a) < 18)
        return ppq_args_fail(a, "a dimension of %" PRId64 " cannot be cut into %d equal parts", dim,
                             n);
    return PPQ_OK;
}

static ppq_status plan_axis(const ppq_args *a, int *axis, int64_t *dim)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    *axis = 0;
    *dim = PPQ_DIM_UNKNOWN;
    if (x->rank < 0)
        return PPQ_OK;
    PPQ_TRY(ppq_args_axis(a, ppq_op_attr_int(ppq_args_op(a), "axis", 0), x->rank, axis));
    *dim = x->dim[*axis];
    return PPQ_OK;
}

enum { FEW = 64 };

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    int axis;
    int64_t dim, few[FEW];
    PPQ_TRY(plan_axis(&a, &axis, &dim));
    ppq_shape s = c->in_shape[0];
    // infer has no scratch memory: a huge fan-out learns its sizes when it runs.
    const bool known = c->op->n_out <= FEW;
    if (known)
        PPQ_TRY(part_sizes(&a, dim, few));
    for (int i = 0; i < c->op->n_out; i++) {
        if (s.rank >= 0)
            s.dim[axis] = known ? few[i] : PPQ_DIM_UNKNOWN;
        PPQ_TRY(ppq_infer_out(c, i, c->in_dtype[0], &s));
    }
    return PPQ_OK;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *x = c->in[0];
    int64_t *sizes = ppq_new_n(c->scratch, int64_t, (size_t) c->op->n_out);
    int axis;
    int64_t dim;
    PPQ_TRY(plan_axis(&a, &axis, &dim));
    PPQ_TRY(part_sizes(&a, dim, sizes));
    const size_t es = ppq_dtype_size(x->dtype);
    const size_t unit = (size_t) ppq_dims_product(&x->shape, axis + 1, x->shape.rank) * es;
    const int64_t rows = ppq_dims_product(&x->shape, 0, axis);
    const unsigned char *src = ppq_tensor_data(x);
    for (int i = 0; i < c->op->n_out; i++) {
        ppq_shape s = x->shape;
        s.dim[axis] = sizes[i];
        PPQ_TRY(ppq_run_out(c, i, x->dtype, &s));
        if (ppq_shape_numel(&s) <= 0)
            continue;
        const size_t part = (size_t) sizes[i] * unit, row = (size_t) dim * unit;
        unsigned char *dst = ppq_tensor_data(&c->out[i]);
        for (int64_t r = 0; r < rows; r++)
            memcpy(dst + (size_t) r * part, src + (size_t) r * row, part);
        src += part;
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    if (c->in[0]->shape.rank == 0)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "a scalar cannot be split");
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_split = {
    .type = "Split",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = -1,
    .traits = PPQ_OP_PASSIVE,
    .soi_in = 0x2, // split
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_moved,
};
