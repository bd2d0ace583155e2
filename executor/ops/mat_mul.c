#include "executor/ops/product.h"
#include "executor/ops/real.h"

// Y = A B, with numpy's rules: batches broadcast, a vector is a matrix of one row or column.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_present(c, 2));
    if (c->in_dtype[0] != PPQ_DT_NONE && c->in_dtype[1] != PPQ_DT_NONE &&
        c->in_dtype[0] != c->in_dtype[1])
        return ppq_infer_fail(c, "inputs are %s and %s, expected one type",
                              ppq_dtype_name(c->in_dtype[0]), ppq_dtype_name(c->in_dtype[1]));
    c->out_dtype[0] = c->in_dtype[0];
    return ppq_product_infer(c, 0, 1);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_dtype dt = c->in[0]->dtype;
    const ppq_gemm_fn gemm = ppq_gemm_of(dt);
    if (!gemm)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED,
                               "inputs are %s, expected a float type or an integer of 32 or 64 "
                               "bits",
                               ppq_dtype_name(dt));
    ppq_product_shape p;
    ppq_reason why;
    if (!ppq_product_shape_init(&p, &c->in[0]->shape, &c->in[1]->shape, &why))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "%s", why.text);
    ppq_product_run(&p, gemm, ppq_dtype_size(dt), ppq_tensor_data(c->in[0]),
                    ppq_tensor_data(c->in[1]), ppq_tensor_data(&c->out[0]));
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

// The gradient of a matrix that several of the batch use is the sum of theirs.
typedef struct gradient {
    float *grad; // NULL: not wanted
    int64_t size, step[PPQ_MAX_RANK];
    bool shared;
    ppq_tensor part; // the gradient of one use, when shared
} gradient;

static ppq_status gradient_init(ppq_kernel_ctx *k, float *grad, int64_t size, const ppq_shape *own,
                                const ppq_shape *batch, gradient *g)
{
    *g = (gradient){ .grad = grad, .size = size };
    ppq_broadcast_strides(own, batch, g->step);
    g->shared = ppq_shape_numel(own) != ppq_shape_numel(batch);
    return grad && g->shared ? ppq_kernel_temp(k, (size_t) size * sizeof(float), &g->part) : PPQ_OK;
}

static int64_t gradient_at(const gradient *g, int rank, const int64_t *at)
{
    int64_t i = 0;
    for (int d = 0; d < rank; d++)
        i += at[d] * g->step[d];
    return i * g->size;
}

// Matrix at `offset` of the gradient += a * b.
static ppq_status add_product(ppq_kernel_ctx *k, gradient *g, int64_t offset, int64_t rows,
                              int64_t columns, int64_t depth, ppq_matrix a, ppq_matrix b)
{
    float *dst = g->shared ? ppq_f32(&g->part) : g->grad + offset;
    PPQ_TRY(ppq_product_f32(k, rows, columns, depth, a, b, dst));
    for (int64_t i = 0; i < g->size && g->shared; i++)
        g->grad[offset + i] += dst[i];
    return PPQ_OK;
}

static ppq_status run_batch(ppq_backward_ctx *c, ppq_kernel_ctx *k, const ppq_product_shape *p,
                            gradient *a, gradient *b)
{
    const float *g = ppq_grad_out(c, 0);
    int64_t at[PPQ_MAX_RANK] = { 0 };
    do {
        const int64_t ia = gradient_at(a, p->batch.rank, at);
        const int64_t ib = gradient_at(b, p->batch.rank, at);
        const ppq_matrix ma = { ppq_f32(c->in[0]) + ia, p->k, 1 };
        const ppq_matrix mb = { ppq_f32(c->in[1]) + ib, p->n, 1 }, mg = { g, p->n, 1 };
        if (a->grad)
            PPQ_TRY(add_product(k, a, ia, p->m, p->k, p->n, mg, ppq_transposed(mb)));
        if (b->grad)
            PPQ_TRY(add_product(k, b, ib, p->k, p->n, p->m, ppq_transposed(ma), mg));
        g += p->m * p->n;
    } while (ppq_next(p->batch.rank, p->batch.dim, at));
    return PPQ_OK;
}

static ppq_status backward(ppq_backward_ctx *c)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    ppq_product_shape p;
    ppq_reason why;
    if (!ppq_product_shape_init(&p, &c->in[0]->shape, &c->in[1]->shape, &why))
        return ppq_kernel_fail(&k, PPQ_ERR_SHAPE, "%s", why.text);
    if (idle)
        return PPQ_OK;
    const int64_t batch = ppq_shape_numel(&p.batch);
    if (ppq_shape_numel(&p.b) == 1 && ppq_shape_numel(&p.a) == batch) { // weights: one tall product
        p.m *= batch;
        p.batch.rank = p.a.rank = p.b.rank = 0;
    }
    gradient a = { 0 }, b = { 0 };
    ppq_status st;
    if ((st = gradient_init(&k, ppq_grad_in(c, 0), p.m * p.k, &p.a, &p.batch, &a)) != PPQ_OK)
        goto fail;
    if ((st = gradient_init(&k, ppq_grad_in(c, 1), p.k * p.n, &p.b, &p.batch, &b)) != PPQ_OK)
        goto fail;
    st = run_batch(c, &k, &p, &a, &b);
fail:
    ppq_tensor_unref(&a.part);
    ppq_tensor_unref(&b.part);
    return st;
}

const ppq_op_def ppq_op_mat_mul = {
    .type = "MatMul",
    .domain = "",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_COMPUTE,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
