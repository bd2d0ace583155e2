#include "executor/ops/reduce.h"

#include "executor/ops/args.h"
#include "executor/ops/backward.h"
#include "executor/ops/move.h"
#include "executor/ops/real.h"
#include "executor/ops/window.h"

// Which axes are reduced. *known is false while that depends on values that are not known yet.
static ppq_status find_axes(const ppq_args *a, int rank, uint32_t *mask, bool *known)
{
    int64_t axes[PPQ_MAX_RANK], n;
    bool given;
    PPQ_TRY(ppq_args_list(a, 1, "axes", axes, PPQ_MAX_RANK, &n, &given));
    *mask = 0;
    *known = n >= 0;
    if (n == 0 && !ppq_op_attr_int(ppq_args_op(a), "noop_with_empty_axes", 0))
        *mask = (1u << rank) - 1;
    return n > 0 ? ppq_args_axes(a, axes, n, rank, mask) : PPQ_OK;
}

static ppq_status plan(const ppq_args *a, ppq_shape *out, uint32_t *mask)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    const bool keep = ppq_op_attr_int(ppq_args_op(a), "keepdims", 1) != 0;
    bool known;
    *out = ppq_shape_unknown(-1);
    if (x->rank < 0)
        return PPQ_OK;
    PPQ_TRY(find_axes(a, x->rank, mask, &known));
    if (!known) {
        const ppq_shape *s = ppq_args_shape(a, 1); // the count of axes tells the rank
        const bool counted = s->rank == 1 && s->dim[0] > 0 && s->dim[0] <= x->rank;
        *out = ppq_shape_unknown(keep ? x->rank : counted ? x->rank - (int) s->dim[0] : -1);
        return PPQ_OK;
    }
    out->rank = 0;
    for (int i = 0; i < x->rank; i++)
        if (!(*mask & 1u << i))
            out->dim[out->rank++] = x->dim[i];
        else if (keep)
            out->dim[out->rank++] = 1;
    return PPQ_OK;
}

ppq_status ppq_infer_reduce(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape out;
    uint32_t mask;
    PPQ_TRY(plan(&a, &out, &mask));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

// The input as [outer, n, inner] when the reduced axes are neighbours (1s apart).
static bool as_block(const ppq_shape *x, uint32_t mask, int64_t *outer, int64_t *n, int64_t *inner)
{
    *outer = *n = *inner = 1;
    int stage = 0; // 0 before, 1 in, 2 after the reduced axes
    for (int i = 0; i < x->rank; i++) {
        const bool reduced = mask & 1u << i;
        if (x->dim[i] == 1)
            continue;
        if (reduced && stage == 2)
            return false;
        stage = reduced ? 1 : stage == 1 ? 2 : stage;
        *(stage == 0 ? outer : stage == 1 ? n : inner) *= x->dim[i];
    }
    return true;
}

// A copy with the reduced axes last.
static ppq_status gather_axes(ppq_kernel_ctx *c, uint32_t mask, ppq_tensor *out, int64_t *outer,
                              int64_t *n)
{
    const ppq_tensor *x = c->in[0];
    int64_t own[PPQ_MAX_RANK], dim[PPQ_MAX_RANK], stride[PPQ_MAX_RANK];
    int k = 0;
    *outer = *n = 1;
    ppq_shape_strides(&x->shape, own);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < x->shape.rank; i++) {
            if ((mask >> i & 1u) != (unsigned) pass)
                continue;
            dim[k] = x->shape.dim[i];
            stride[k++] = own[i];
            *(pass ? n : outer) *= x->shape.dim[i];
        }
    PPQ_TRY(ppq_kernel_temp(c, ppq_tensor_bytes(x), out));
    ppq_copy_dense(ppq_tensor_data(out), ppq_tensor_data(x), stride, dim, k,
                   ppq_dtype_size(x->dtype));
    return PPQ_OK;
}

ppq_status ppq_run_reduce(ppq_kernel_ctx *c, const ppq_reduce_loop *loops)
{
    const ppq_tensor *x = c->in[0];
    if (ppq_dtype_is_half(x->dtype) && loops[PPQ_DT_F32])
        return ppq_run_widened(c, c->op->def->forward);
    if (!loops[x->dtype])
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "an input of %s is not supported",
                               ppq_dtype_name(x->dtype));
    const ppq_args a = ppq_args_run(c);
    ppq_shape out;
    uint32_t mask;
    PPQ_TRY(plan(&a, &out, &mask));
    PPQ_TRY(ppq_run_out(c, 0, x->dtype, &out));
    int64_t outer, n, inner = 1;
    if (ppq_shape_numel(&out) == 0)
        return PPQ_OK;
    if (as_block(&x->shape, mask, &outer, &n, &inner)) {
        loops[x->dtype](ppq_tensor_data(x), ppq_tensor_data(&c->out[0]), outer, n, inner);
        return PPQ_OK;
    }
    ppq_tensor copy;
    PPQ_TRY(gather_axes(c, mask, &copy, &outer, &n));
    loops[x->dtype](ppq_tensor_data(&copy), ppq_tensor_data(&c->out[0]), outer, n, 1);
    ppq_tensor_unref(&copy);
    return PPQ_OK;
}

// Strides of the output in a walk over the input: 0 where it is reduced.
static ppq_status find_steps(ppq_kernel_ctx *k, int64_t *step, int64_t *n_reduced)
{
    const ppq_args a = ppq_args_run(k);
    const ppq_shape *x = &k->in[0]->shape;
    ppq_shape out;
    uint32_t mask = 0;
    PPQ_TRY(plan(&a, &out, &mask));
    int64_t stride = 1;
    *n_reduced = 1;
    for (int i = x->rank - 1; i >= 0; i--) {
        const bool reduced = mask & 1u << i;
        step[i] = reduced ? 0 : stride;
        *(reduced ? n_reduced : &stride) *= x->dim[i];
    }
    return PPQ_OK;
}

ppq_status ppq_reduce_backward(ppq_backward_ctx *c, bool mean)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (idle)
        return PPQ_OK;
    const ppq_shape *x = &c->in[0]->shape;
    int64_t step[PPQ_MAX_RANK], n;
    PPQ_TRY(find_steps(&k, step, &n));
    float *dx = ppq_grad_in(c, 0);
    ppq_copy_dense(dx, ppq_grad_out(c, 0), step, x->dim, x->rank, sizeof(*dx));
    const int64_t total = mean ? ppq_shape_numel(x) : 0;
    for (int64_t i = 0; i < total; i++)
        dx[i] = (float) ((double) dx[i] / (double) n);
    return PPQ_OK;
}

ppq_status ppq_reduce_pick_backward(ppq_backward_ctx *c, bool smallest)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (idle)
        return PPQ_OK;
    const ppq_shape *shape = &c->in[0]->shape;
    int64_t step[PPQ_MAX_RANK], at[PPQ_MAX_RANK] = { 0 }, n, i = 0;
    PPQ_TRY(find_steps(&k, step, &n));
    const float *x = ppq_f32(c->in[0]), *g = ppq_grad_out(c, 0);
    const int64_t n_out = ppq_shape_numel(&c->grad_out[0]->shape);
    ppq_tensor memory;
    PPQ_TRY(ppq_kernel_temp(&k, (size_t) n_out * sizeof(int64_t), &memory));
    int64_t *best = ppq_tensor_data(&memory);
    for (int64_t o = 0; o < n_out; o++)
        best[o] = -1;
    do {
        int64_t o = 0;
        for (int d = 0; d < shape->rank; d++)
            o += at[d] * step[d];
        if (best[o] < 0 || (smallest ? x[i] < x[best[o]] : x[i] > x[best[o]]))
            best[o] = i;
        i++;
    } while (ppq_next(shape->rank, shape->dim, at));
    for (int64_t o = 0; o < n_out; o++)
        ppq_grad_in(c, 0)[best[o]] = g[o];
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}
