#include <inttypes.h>

#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/move.h"

// The same elements under another shape. In `shape`, 0 copies the input's dimension (unless
// allowzero) and one -1 is whatever remains.

// The dimension at `hole`. Unknown dimensions of the output are copies of the input's at the same
// place, so they cancel out.
static ppq_status fill_hole(const ppq_args *a, const ppq_shape *x, ppq_shape *out, int hole)
{
    int64_t num = 1, den = 1, rest = 1;
    int n_unknown = 0;
    out->dim[hole] = 1;
    for (int i = 0; i < out->rank; i++)
        if (out->dim[i] >= 0)
            den = ppq_dim_mul(den, out->dim[i]);
    out->dim[hole] = PPQ_DIM_UNKNOWN;
    for (int i = 0; i < x->rank; i++) {
        if (x->dim[i] >= 0) {
            num = ppq_dim_mul(num, x->dim[i]);
        } else if (i == hole || i >= out->rank || out->dim[i] >= 0) {
            rest = x->dim[i];
            n_unknown++;
        }
    }
    if (x->rank < 0 || num < 0 || den < 0)
        return PPQ_OK;
    if (den == 0)
        return ppq_args_fail(a, "the dimension given as -1 is not determined, another one is 0");
    if (n_unknown == 0 && num % den)
        return ppq_args_fail(a, "%" PRId64 " elements cannot be split into rows of %" PRId64, num,
                             den);
    if (n_unknown == 0)
        out->dim[hole] = num / den;
    else if (n_unknown == 1 && num == den)
        out->dim[hole] = rest;
    return PPQ_OK;
}

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0), *s = ppq_args_shape(a, 1);
    const bool keep_zero = ppq_op_attr_int(ppq_args_op(a), "allowzero", 0) != 0;
    int64_t want[PPQ_MAX_RANK], n;
    if (s->rank == 1 && s->dim[0] > PPQ_MAX_RANK)
        return ppq_args_fail(a,
                             "the new shape has %" PRId64 " dimensions, at most %d are supported",
                             s->dim[0], PPQ_MAX_RANK);
    PPQ_TRY(ppq_args_ints(a, 1, want, PPQ_MAX_RANK, &n));
    *out = ppq_shape_unknown(n >= 0                           ? (int) n
                             : s->rank == 1 && s->dim[0] >= 0 ? (int) s->dim[0]
                                                              : -1);
    if (n < 0)
        return PPQ_OK;
    int hole = -1;
    for (int i = 0; i < out->rank; i++) {
        if (want[i] < -1 || (want[i] == -1 && hole >= 0))
            return ppq_args_fail(
                a, "dimension %d of the new shape is %" PRId64 ", legal are sizes, 0 and one -1", i,
                want[i]);
        if (want[i] == 0 && !keep_zero) {
            if (x->rank >= 0 && i >= x->rank)
                return ppq_args_fail(a,
                                     "dimension %d of the new shape is 0, but the input's rank "
                                     "is %d",
                                     i, x->rank);
            out->dim[i] = x->rank < 0 ? PPQ_DIM_UNKNOWN : x->dim[i];
        } else if (want[i] == -1) {
            hole = i;
        } else {
            out->dim[i] = want[i];
        }
    }
    if (hole >= 0)
        PPQ_TRY(fill_hole(a, x, out, hole));
    if (ppq_shape_known(x) && ppq_shape_known(out) && ppq_shape_numel(x) != ppq_shape_numel(out)) {
        char b1[192], b2[192];
        return ppq_args_fail(a, "an input of shape %s cannot become %s",
                             ppq_shape_str(x, b1, sizeof(b1)), ppq_shape_str(out, b2, sizeof(b2)));
    }
    return PPQ_OK;
}

COPY_PLAN(plan)

const ppq_op_def ppq_op_reshape = {
    .type = "Reshape",
    .domain = "",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .soi_in = 0x2, // shape
    .infer = infer,
    .forward = forward,
    .backward = ppq_backward_copy,
};
