#include <stdlib.h>

#include "executor/dnnl/product.h"
#include "executor/ops/gemm_shape.h"

// Gemm. A bias of one value per column with factors of 1 goes into the product; anything else is
// added afterwards.

typedef struct state {
    ppq_dnnl_product *product;
    ppq_gemm_shape shape;
    bool fused; // the bias is in the product
    bool has_c;
    int64_t c_step[2];
} state;

static void release(void *user)
{
    state *s = user;
    if (s)
        ppq_dnnl_product_destroy(s->product);
    free(s);
}

static bool supports(const ppq_kernel_spec *s)
{
    return ppq_spec_is_f32(s);
}

static ppq_status prepare(const ppq_kernel_spec *spec, void **out, ppq_diag *d)
{
    (void) d;
    ppq_reason why;
    const ppq_shape *c_shape = ppq_spec_has(spec, 2) ? &spec->in_shape[2] : NULL;
    state *s = calloc(1, sizeof(*s));
    if (!s)
        return PPQ_ERR_NOMEM;
    ppq_status st = PPQ_ERR_UNSUPPORTED;
    const ppq_gemm_shape *g = &s->shape;
    if (!ppq_gemm_shape_init(&s->shape, spec->op, &spec->in_shape[0], &spec->in_shape[1], c_shape,
                             &why))
        goto fail;
    s->has_c = c_shape != NULL;
    if (c_shape)
        ppq_broadcast_strides(c_shape, &spec->out_shape[0], s->c_step);
    s->fused = c_shape && g->alpha == 1 && g->beta == 1 && ppq_shape_numel(c_shape) == g->n &&
               s->c_step[0] == 0;
    const ppq_dnnl_matrices m = {
        .m = g->m,
        .n = g->n,
        .k = g->k,
        .left_step = { g->trans_a ? 1 : g->k, g->trans_a ? g->m : 1 },
        .right_step = { g->trans_b ? 1 : g->n, g->trans_b ? g->k : 1 },
        .bias = s->fused,
        .batch = ppq_shape_1d(1),
        .left_batch = ppq_shape_1d(1),
        .right_batch = ppq_shape_1d(1),
    };
    st = ppq_dnnl_product_create(&m, ppq_spec_const(spec, 1), &s->product);
    if (st != PPQ_OK)
        goto fail;
    *out = s;
    return PPQ_OK;
fail:
    release(s);
    return st;
}

// y = alpha * y + beta * c
static void finish(const state *s, const float *c, float *y)
{
    const float alpha = (float) s->shape.alpha, beta = (float) s->shape.beta;
    for (int64_t i = 0; i < s->shape.m; i++)
        for (int64_t j = 0; j < s->shape.n; j++) {
            const float add = c ? beta * c[i * s->c_step[0] + j * s->c_step[1]] : 0;
            y[i * s->shape.n + j] = alpha * y[i * s->shape.n + j] + add;
        }
}

static ppq_status forward(const void *user, ppq_kernel_ctx *c)
{
    const state *s = user;
    PPQ_TRY(ppq_dnnl_product_run(s->product, c, c->in[0], c->in[1], s->fused ? c->in[2] : NULL,
                                 &c->out[0]));
    if (!s->fused && (s->has_c || s->shape.alpha != 1))
        finish(s, s->has_c ? ppq_f32(c->in[2]) : NULL, ppq_f32(&c->out[0]));
    return PPQ_OK;
}

const ppq_kernel ppq_kernel_gemm = {
    .name = "dnnl-gemm",
    .op_type = "Gemm",
    .supports = supports,
    .prepare = prepare,
    .forward = forward,
    .release = release,
};
