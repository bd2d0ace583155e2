#include "executor/ops/gemm_shape.h"
#include "executor/ops/product.h"
#include "executor/ops/real.h"

// Y = alpha * A' B' + beta * C, where ' transposes when transA, transB say so.

static int64_t dim_of(const ppq_shape *s, int d)
{
    return s->rank < 0 ? PPQ_DIM_UNKNOWN : s->dim[d];
}

bool ppq_gemm_shape_init(ppq_gemm_shape *s, const ppq_op *op, const ppq_shape *a,
                         const ppq_shape *b, const ppq_shape *c, ppq_reason *why)
{
    *s = (ppq_gemm_shape){ .trans_a = ppq_op_attr_int(op, "transA", 0) != 0,
                           .trans_b = ppq_op_attr_int(op, "transB", 0) != 0,
                           .alpha = (double) ppq_op_attr_float(op, "alpha", 1.0f),
                           .beta = (double) ppq_op_attr_float(op, "beta", 1.0f) };
    if ((a->rank >= 0 && a->rank != 2) || (b->rank >= 0 && b->rank != 2))
        return ppq_because(why, "inputs have rank %d and %d, expected 2", a->rank, b->rank);
    s->m = dim_of(a, s->trans_a ? 1 : 0);
    s->n = dim_of(b, s->trans_b ? 0 : 1);
    const int64_t ka = dim_of(a, s->trans_a ? 0 : 1), kb = dim_of(b, s->trans_b ? 1 : 0);
    s->k = ka >= 0 ? ka : kb;
    if (ka >= 0 && kb >= 0 && ka != kb)
        return ppq_because(why, "the inner dimensions %lld and %lld differ", (long long) ka,
                           (long long) kb);
    if (!c || c->rank < 0)
        return true;
    const ppq_shape y = { .rank = 2, .dim = { s->m, s->n } };
    ppq_shape wide = y;
    const bool fits = c->rank <= 2 && ppq_shape_broadcast(&wide, c);
    if (!fits || (s->m >= 0 && wide.dim[0] != s->m) || (s->n >= 0 && wide.dim[1] != s->n)) {
        char from[128], to[128];
        return ppq_because(why, "C of shape %s cannot be broadcast to %s",
                           ppq_shape_str(c, from, sizeof(from)), ppq_shape_str(&y, to, sizeof(to)));
    }
    return true;
}

static const ppq_shape *shape_of_c(const ppq_infer_ctx *c)
{
    return c->op->n_in > 2 && c->has_in[2] ? &c->in_shape[2] : NULL;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 2, 3));
    ppq_gemm_shape s;
    ppq_reason why;
    if (!ppq_gemm_shape_init(&s, c->op, &c->in_shape[0], &c->in_shape[1], shape_of_c(c), &why))
        return ppq_infer_fail(c, "%s", why.text);
    c->out_shape[0] = (ppq_shape){ .rank = 2, .dim = { s.m, s.n } };
    c->out_dtype[0] = c->in_dtype[0];
    return PPQ_OK;
}

// dst (rows x cols) = src (cols x rows) transposed, element by element.
static void transpose(const ppq_real *r, const void *src, void *dst, int64_t rows, int64_t cols)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            r->store(dst, i * cols + j, r->load(src, j * rows + i));
}

// y = alpha * y + beta * c
static void finish(const ppq_real *r, const ppq_gemm_shape *s, const ppq_tensor *c, ppq_tensor *y)
{
    int64_t step[2] = { 0, 0 };
    if (c)
        ppq_broadcast_strides(&c->shape, &y->shape, step);
    for (int64_t i = 0; i < s->m; i++)
        for (int64_t j = 0; j < s->n; j++) {
            void *dst = ppq_tensor_data(y);
            double v = s->alpha * r->load(dst, i * s->n + j);
            if (c)
                v += s->beta * r->load(ppq_tensor_data(c), i * step[0] + j * step[1]);
            r->store(dst, i * s->n + j, v);
        }
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_tensor *a = c->in[0], *b = c->in[1], *bias = c->op->n_in > 2 ? c->in[2] : NULL;
    const ppq_real *r = ppq_real_of(c);
    if (!r)
        return PPQ_ERR_UNSUPPORTED;
    ppq_gemm_shape s;
    ppq_reason why;
    if (!ppq_gemm_shape_init(&s, c->op, &a->shape, &b->shape, bias ? &bias->shape : NULL, &why))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "%s", why.text);
    if (ppq_shape_numel(&c->out[0].shape) == 0)
        return PPQ_OK;
    ppq_tensor packed = { 0 };
    const void *rhs = ppq_tensor_data(b);
    if (s.trans_b) {
        PPQ_TRY(ppq_kernel_temp(c, ppq_tensor_bytes(b), &packed));
        transpose(r, rhs, ppq_tensor_data(&packed), s.k, s.n);
        rhs = ppq_tensor_data(&packed);
    }
    const int64_t a_m = s.trans_a ? 1 : s.k, a_k = s.trans_a ? s.m : 1;
    ppq_gemm_of(a->dtype)(s.m, s.n, s.k, ppq_tensor_data(a), a_m, a_k, rhs,
                          ppq_tensor_data(&c->out[0]));
    if (bias || s.alpha != 1)
        finish(r, &s, bias, &c->out[0]);
    ppq_tensor_unref(&packed);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

static void scale(float *y, int64_t n, double factor)
{
    for (int64_t i = 0; i < n && factor != 1; i++)
        y[i] = (float) (factor * (double) y[i]);
}

static ppq_status backward(ppq_backward_ctx *c)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    ppq_gemm_shape s;
    ppq_reason why;
    if (!ppq_gemm_shape_init(&s, c->op, &c->in[0]->shape, &c->in[1]->shape, NULL, &why))
        return ppq_kernel_fail(&k, PPQ_ERR_SHAPE, "%s", why.text);
    if (idle)
        return PPQ_OK;
    // A' and B', and the gradient of Y.
    const ppq_matrix a = { ppq_f32(c->in[0]), s.trans_a ? 1 : s.k, s.trans_a ? s.m : 1 };
    const ppq_matrix b = { ppq_f32(c->in[1]), s.trans_b ? 1 : s.n, s.trans_b ? s.k : 1 };
    const ppq_matrix g = { ppq_grad_out(c, 0), s.n, 1 };
    float *da = ppq_grad_in(c, 0), *db = ppq_grad_in(c, 1);
    if (da && s.trans_a)
        PPQ_TRY(ppq_product_f32(&k, s.k, s.m, s.n, b, ppq_transposed(g), da));
    else if (da)
        PPQ_TRY(ppq_product_f32(&k, s.m, s.k, s.n, g, ppq_transposed(b), da));
    if (db && s.trans_b)
        PPQ_TRY(ppq_product_f32(&k, s.n, s.k, s.m, ppq_transposed(g), a, db));
    else if (db)
        PPQ_TRY(ppq_product_f32(&k, s.k, s.n, s.m, ppq_transposed(a), g, db));
    if (da)
        scale(da, s.m * s.k, s.alpha);
    if (db)
        scale(db, s.k * s.n, s.alpha);
    return ppq_grad_in(c, 2) ? ppq_sum_to(&k, g.at, &c->grad_out[0]->shape, s.beta, &c->grad_in[2])
                             : PPQ_OK;
}

const ppq_op_def ppq_op_gemm = {
    .type = "Gemm",
    .domain = "",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_COMPUTE,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
