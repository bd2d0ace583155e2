#include "executor/ops/move.h"
#include "executor/ops/stored.h"

// MaxPool of stored integers with the channels last

// The same shape with the channels in place `to` instead of `from`.
static ppq_shape move_channels(const ppq_shape *s, int from, int to)
{
    ppq_shape r = *s;
    for (int i = 0, k = 0; i < s->rank; i++) {
        k += k == from;
        r.dim[i] = s->dim[i == to ? from : k++];
    }
    return r;
}

// A copy with the channels moved likewise; the caller unrefs it.
static ppq_status transpose(ppq_kernel_ctx *c, const ppq_tensor *x, int from, int to,
                            ppq_tensor *out)
{
    const ppq_shape s = move_channels(&x->shape, from, to);
    ppq_shape stride = { .rank = s.rank };
    if (ppq_tensor_alloc_pool(out, x->dtype, &s, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate a copy");
    ppq_shape_strides(&x->shape, stride.dim);
    stride = move_channels(&stride, from, to);
    if (ppq_shape_numel(&s))
        ppq_copy_dense(ppq_tensor_data(out), ppq_tensor_data(x), stride.dim, s.dim, s.rank,
                       ppq_dtype_size(x->dtype));
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_shape *s = &c->in_shape[0];
    const ppq_dtype dt = c->in_dtype[0];
    if (s->rank >= 0 && s->rank < 3)
        return ppq_infer_fail(c, "the input has rank %d, expected at least 3", s->rank);
    if (dt != PPQ_DT_NONE && dt != PPQ_DT_U8 && dt != PPQ_DT_I8)
        return ppq_infer_fail(c, "the input is %s, expected uint8 or int8", ppq_dtype_name(dt));
    ppq_shape y = { .rank = -1 };
    if (s->rank >= 0) {
        const ppq_shape x = move_channels(s, s->rank - 1, 1);
        PPQ_TRY(ppq_inner_infer(c, "MaxPool", &x, 1, &y));
        if (y.rank >= 0)
            y = move_channels(&y, 1, y.rank - 1);
    }
    return ppq_infer_out(c, 0, dt, &y);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const int last = c->in[0]->shape.rank - 1;
    ppq_tensor x, y = { 0 };
    PPQ_TRY(transpose(c, c->in[0], last, 1, &x));
    ppq_status st = ppq_inner_eval(c, "MaxPool", &x, 1, &y);
    ppq_tensor_unref(&x);
    PPQ_TRY(st);
    ppq_tensor_unref(&c->out[0]);
    st = transpose(c, &y, 1, last, &c->out[0]);
    ppq_tensor_unref(&y);
    return st;
}

const ppq_op_def ppq_op_ms_nhwc_max_pool = MICROSOFT_DEF("NhwcMaxPool", 1, 1);
