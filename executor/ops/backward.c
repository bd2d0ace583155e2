#include "executor/ops/backward.h"

#include <assert.h>
#include <string.h>

#include "executor/exec.h"
#include "executor/ops/move.h"

float *ppq_grad_in(const ppq_backward_ctx *c, int i)
{
    if (i >= c->op->n_in || !c->grad_in[i].buf || ppq_shape_numel(&c->grad_in[i].shape) == 0)
        return NULL;
    return ppq_f32(&c->grad_in[i]);
}

ppq_status ppq_backward_begin(const ppq_backward_ctx *c, ppq_kernel_ctx *k, bool *idle)
{
    *k = (ppq_kernel_ctx){ .op = c->op,
                           .opset = c->opset,
                           .in = c->in,
                           .scratch = c->scratch,
                           .pool = c->pool,
                           .diag = c->diag,
                           .n_threads = c->n_threads };
    bool wanted = false, given = false;
    for (int i = 0; i < c->op->n_in; i++) {
        if (!c->grad_in[i].buf)
            continue;
        assert(c->in[i]);
        if (c->in[i]->dtype != PPQ_DT_F32)
            return ppq_kernel_fail(k, PPQ_ERR_UNSUPPORTED,
                                   "input %d is %s, gradients are calculated of float32 only", i,
                                   ppq_dtype_name(c->in[i]->dtype));
        wanted |= ppq_grad_in(c, i) != NULL;
    }
    for (int i = 0; i < c->op->n_out; i++)
        given |= c->grad_out[i] && ppq_shape_numel(&c->grad_out[i]->shape) > 0;
    *idle = !wanted || !given;
    return PPQ_OK;
}

ppq_status ppq_backward_temp(ppq_kernel_ctx *k, const ppq_shape *s, ppq_tensor *out)
{
    char text[192];
    if (ppq_tensor_alloc_pool(out, PPQ_DT_F32, s, k->pool) == PPQ_OK)
        return PPQ_OK;
    return ppq_kernel_fail(k, PPQ_ERR_NOMEM, "cannot allocate a gradient of shape %s",
                           ppq_shape_str(s, text, sizeof(text)));
}

// ---- sums -----------------------------------------------------------------------------------

// Adds the row src[n] to sum[i * step].
static void add_row(const float *src, int64_t n, double *sum, int64_t step)
{
    if (step) {
        for (int64_t i = 0; i < n; i++)
            sum[i * step] += (double) src[i];
        return;
    }
    enum { LANES = 4 };
    double lane[LANES] = { 0 };
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lane[k] += (double) src[i + k];
    for (; i < n; i++)
        lane[0] += (double) src[i];
    *sum += (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

// `sum` has strides `step` in a walk over the dense src.
static void add_rows(const float *src, const int64_t *dim, int rank, const int64_t *step,
                     double *sum)
{
    int64_t at[PPQ_MAX_RANK] = { 0 };
    const int last = rank - 1;
    for (;; src += dim[last]) {
        add_row(src, dim[last], sum, step[last]);
        int i = last - 1;
        for (; i >= 0; i--) {
            sum += step[i];
            if (++at[i] < dim[i])
                break;
            sum -= step[i] * dim[i];
            at[i] = 0;
        }
        if (i < 0)
            return;
    }
}

ppq_status ppq_sum_to(ppq_kernel_ctx *k, const float *src, const ppq_shape *from, double factor,
                      ppq_tensor *dst)
{
    const int64_t n = ppq_shape_numel(&dst->shape), n_src = ppq_shape_numel(from);
    float *y = ppq_f32(dst);
    if (n == 0 || n_src == 0)
        return PPQ_OK;
    if (n == n_src) {
        for (int64_t i = 0; i < n; i++)
            y[i] = (float) (factor * (double) src[i]);
        return PPQ_OK;
    }
    int64_t dim[PPQ_MAX_RANK], step[PPQ_MAX_RANK], dense[PPQ_MAX_RANK];
    memcpy(dim, from->dim, sizeof(dim));
    ppq_broadcast_strides(&dst->shape, from, step);
    ppq_shape_strides(from, dense);
    const int rank = ppq_dims_collapse(from->rank, dim, (int64_t *const[]){ step, dense }, 2);
    ppq_tensor memory;
    PPQ_TRY(ppq_kernel_temp(k, (size_t) n * sizeof(double), &memory));
    double *sum = ppq_tensor_data(&memory);
    memset(sum, 0, (size_t) n * sizeof(*sum));
    add_rows(src, dim, rank, step, sum);
    for (int64_t i = 0; i < n; i++)
        y[i] = (float) (factor * sum[i]);
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

ppq_status ppq_backward_sum(ppq_backward_ctx *c)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    for (int i = 0; i < c->op->n_in && !idle; i++)
        if (ppq_grad_in(c, i))
            PPQ_TRY(ppq_sum_to(&k, ppq_grad_out(c, 0), &c->grad_out[0]->shape, 1, &c->grad_in[i]));
    return PPQ_OK;
}

// ---- moves ----------------------------------------------------------------------------------

ppq_status ppq_backward_copy(ppq_backward_ctx *c)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    const float *g = ppq_grad_out(c, 0);
    if (!idle && g && ppq_grad_in(c, 0))
        memcpy(ppq_grad_in(c, 0), g, ppq_tensor_bytes(c->grad_out[0]));
    return PPQ_OK;
}

// Where elements go is not known here, forward knows: it is run on inputs in whose elements stand
// their own numbers. Number 0 is every element that no gradient is wanted of.
typedef struct numbered {
    ppq_dtype dtype;
    int64_t count; // numbers given, 0 among them
    ppq_tensor *in, *out;
    const ppq_tensor **in_ptr;
} numbered;

static int64_t number_at(const numbered *s, const void *numbers, int64_t i)
{
    return s->dtype == PPQ_DT_I32 ? ((const int32_t *) numbers)[i] : ((const int64_t *) numbers)[i];
}

static ppq_status number_input(ppq_kernel_ctx *k, numbered *s, int i, bool wanted)
{
    const ppq_shape *shape = &k->in[i]->shape;
    const int64_t n = ppq_shape_numel(shape);
    if (ppq_tensor_alloc_pool(&s->in[i], s->dtype, shape, k->pool) != PPQ_OK)
        return ppq_kernel_fail(k, PPQ_ERR_NOMEM, "cannot allocate the numbers of input %d", i);
    s->in_ptr[i] = &s->in[i];
    void *dst = ppq_tensor_data(&s->in[i]);
    if (!wanted) {
        memset(dst, 0, ppq_tensor_bytes(&s->in[i]));
        return PPQ_OK;
    }
    for (int64_t e = 0; e < n; e++)
        if (s->dtype == PPQ_DT_I32)
            ((int32_t *) dst)[e] = (int32_t) (s->count + e);
        else
            ((int64_t *) dst)[e] = s->count + e;
    s->count += n;
    return PPQ_OK;
}

static ppq_status number_inputs(const ppq_backward_ctx *c, ppq_kernel_ctx *k, numbered *s)
{
    const size_t n_in = (size_t) c->op->n_in;
    int64_t total = 1;
    s->in = ppq_new_n(c->scratch, ppq_tensor, n_in);
    s->out = ppq_new_n(c->scratch, ppq_tensor, (size_t) c->op->n_out);
    s->in_ptr = ppq_new_n(c->scratch, const ppq_tensor *, n_in);
    for (int i = 0; i < c->op->n_in; i++)
        total += ppq_grad_in(c, i) ? ppq_shape_numel(&c->in[i]->shape) : 0;
    s->dtype = total <= INT32_MAX ? PPQ_DT_I32 : PPQ_DT_I64;
    s->count = 1;
    for (int i = 0; i < c->op->n_in; i++) {
        s->in_ptr[i] = c->in[i];
        if (c->in[i] && c->in[i]->dtype == PPQ_DT_F32)
            PPQ_TRY(number_input(k, s, i, ppq_grad_in(c, i) != NULL));
    }
    return PPQ_OK;
}

// Adds the gradients of outputs by number, and hands the sums to the inputs.
static ppq_status collect(const ppq_backward_ctx *c, ppq_kernel_ctx *k, const numbered *s)
{
    ppq_tensor memory;
    PPQ_TRY(ppq_kernel_temp(k, (size_t) s->count * sizeof(double), &memory));
    double *sum = ppq_tensor_data(&memory);
    memset(sum, 0, (size_t) s->count * sizeof(*sum));
    for (int i = 0; i < c->op->n_out; i++) {
        const float *g = ppq_grad_out(c, i);
        if (!g)
            continue;
        const void *numbers = ppq_tensor_data(&s->out[i]);
        const int64_t n = ppq_shape_numel(&s->out[i].shape);
        for (int64_t e = 0; e < n; e++)
            sum[number_at(s, numbers, e)] += (double) g[e];
    }
    const double *next = sum + 1;
    for (int i = 0; i < c->op->n_in; i++) {
        float *dst = ppq_grad_in(c, i);
        const int64_t n = dst ? ppq_shape_numel(&c->in[i]->shape) : 0;
        for (int64_t e = 0; e < n; e++)
            dst[e] = (float) next[e];
        next += n;
    }
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

ppq_status ppq_backward_moved(ppq_backward_ctx *c)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (idle)
        return PPQ_OK;
    numbered s = { 0 };
    ppq_status st;
    if ((st = number_inputs(c, &k, &s)) != PPQ_OK)
        goto fail;
    if ((st = ppq_op_eval(c->op, c->opset, s.in_ptr, s.out, c->diag)) != PPQ_OK)
        goto fail;
    st = collect(c, &k, &s);
fail:
    for (int i = 0; i < c->op->n_in; i++)
        ppq_tensor_unref(&s.in[i]);
    for (int i = 0; i < c->op->n_out; i++)
        ppq_tensor_unref(&s.out[i]);
    return st;
}
