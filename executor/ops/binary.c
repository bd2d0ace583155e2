#include "executor/ops/binary.h"

#include <string.h>

#include "executor/ops/backward.h"
#include "executor/ops/move.h"
#include "executor/ops/real.h"

void ppq_binary_apply(ppq_binary_loop loop, const ppq_tensor *a, const ppq_tensor *b,
                      ppq_tensor *dst)
{
    const int64_t n = ppq_shape_numel(&dst->shape);
    if (n == 0)
        return;
    const bool a_full = ppq_shape_numel(&a->shape) == n, b_full = ppq_shape_numel(&b->shape) == n;
    if (a_full && b_full) { // also in a layout that is not plain
        loop(ppq_tensor_data(a), ppq_tensor_data(b), ppq_tensor_data(dst), n, true, true);
        return;
    }
    int64_t dim[PPQ_MAX_RANK], sa[PPQ_MAX_RANK], sb[PPQ_MAX_RANK], sd[PPQ_MAX_RANK];
    memcpy(dim, dst->shape.dim, sizeof(dim));
    ppq_broadcast_strides(&a->shape, &dst->shape, sa);
    ppq_broadcast_strides(&b->shape, &dst->shape, sb);
    ppq_shape_strides(&dst->shape, sd);
    const int r = ppq_dims_collapse(dst->shape.rank, dim, (int64_t *const[]){ sa, sb, sd }, 3) - 1;
    int64_t at[PPQ_MAX_RANK] = { 0 }, ia = 0, ib = 0, id = 0;
    // Both can stand still where only a further input of a fold has this dimension.
    const bool still = sa[r] == 0 && sb[r] == 0;
    for (;;) {
        unsigned char *to = ppq_element(dst, id);
        loop(ppq_element(a, ia), ppq_element(b, ib), to, still ? 1 : dim[r], sa[r] != 0,
             sb[r] != 0);
        if (still)
            ppq_fill(to + ppq_dtype_size(dst->dtype), to, dim[r] - 1, ppq_dtype_size(dst->dtype));
        int i = r - 1;
        for (; i >= 0; i--) {
            ia += sa[i];
            ib += sb[i];
            id += sd[i];
            if (++at[i] < dim[i])
                break;
            ia -= sa[i] * dim[i];
            ib -= sb[i] * dim[i];
            id -= sd[i] * dim[i];
            at[i] = 0;
        }
        if (i < 0)
            return;
    }
}

static ppq_status find_loop(ppq_kernel_ctx *c, const ppq_binary_loop *loops, ppq_binary_loop *out)
{
    const ppq_dtype dt = c->in[0]->dtype;
    for (int i = 1; i < c->op->n_in; i++)
        if (c->in[i]->dtype != dt)
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input 0 is %s and input %d is %s",
                                   ppq_dtype_name(dt), i, ppq_dtype_name(c->in[i]->dtype));
    *out = loops[dt];
    if (!*out)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "inputs of %s are not supported",
                               ppq_dtype_name(dt));
    return PPQ_OK;
}

ppq_status ppq_binary_run(ppq_kernel_ctx *c, const ppq_binary_loop *loops)
{
    if (ppq_dtype_is_half(c->in[0]->dtype) && loops[PPQ_DT_F32])
        return ppq_run_widened(c, c->op->def->forward);
    ppq_binary_loop loop;
    PPQ_TRY(find_loop(c, loops, &loop));
    ppq_binary_apply(loop, c->in[0], c->in[1], &c->out[0]);
    return PPQ_OK;
}

ppq_status ppq_binary_fold(ppq_kernel_ctx *c, const ppq_binary_loop *loops)
{
    for (int i = 0; i < c->op->n_in; i++)
        if (!c->in[i])
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input %d is missing", i);
    if (ppq_dtype_is_half(c->in[0]->dtype) && loops[PPQ_DT_F32])
        return ppq_run_widened(c, c->op->def->forward);
    ppq_binary_loop loop;
    PPQ_TRY(find_loop(c, loops, &loop));
    if (c->op->n_in == 1)
        return ppq_run_copy(c, &c->in[0]->shape);
    ppq_binary_apply(loop, c->in[0], c->in[1], &c->out[0]);
    for (int i = 2; i < c->op->n_in; i++)
        ppq_binary_apply(loop, &c->out[0], c->in[i], &c->out[0]);
    return PPQ_OK;
}

ppq_status ppq_infer_compare(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_broadcast(c));
    c->out_dtype[0] = PPQ_DT_BOOL;
    return PPQ_OK;
}

// One side: the slope times the gradient, summed where the input is repeated.
static ppq_status backward_side(const ppq_backward_ctx *c, ppq_kernel_ctx *k, const ppq_tensor *a,
                                const ppq_tensor *b, ppq_binary_loop slope, ppq_tensor *dst)
{
    const ppq_shape *shape = &c->grad_out[0]->shape;
    const int64_t n = ppq_shape_numel(shape);
    ppq_tensor product;
    PPQ_TRY(ppq_backward_temp(k, shape, &product));
    ppq_binary_apply(slope, a, b, &product);
    const float *g = ppq_grad_out(c, 0);
    float *p = ppq_f32(&product);
    for (int64_t i = 0; i < n; i++)
        p[i] *= g[i];
    const ppq_status st = ppq_sum_to(k, p, shape, 1, dst);
    ppq_tensor_unref(&product);
    return st;
}

ppq_status ppq_binary_backward(ppq_backward_ctx *c, const ppq_tensor *a, const ppq_tensor *b,
                               ppq_binary_loop slope_a, ppq_binary_loop slope_b)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (idle)
        return PPQ_OK;
    if (ppq_grad_in(c, 0))
        PPQ_TRY(backward_side(c, &k, a, b, slope_a, &c->grad_in[0]));
    return ppq_grad_in(c, 1) ? backward_side(c, &k, a, b, slope_b, &c->grad_in[1]) : PPQ_OK;
}
