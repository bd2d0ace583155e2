#include "executor/dnnl/product.h"
#include "executor/ops/product.h"

// MatMul.

static bool supports(const ppq_kernel_spec *s)
{
    return ppq_spec_is_f32(s);
}

// Equal batches are one dimension; broadcast ones stay apart. A right operand without a batch makes
// the left one a single tall matrix.
static ppq_dnnl_matrices matrices(const ppq_product_shape *p)
{
    ppq_dnnl_matrices s = { .m = p->m,
                            .n = p->n,
                            .k = p->k,
                            .left_step = { p->k, 1 },
                            .right_step = { p->n, 1 },
                            .batch = p->batch,
                            .left_batch = p->a,
                            .right_batch = p->b };
    if (ppq_shape_numel(&p->b) == 1) {
        s.m *= ppq_shape_numel(&p->a);
        s.batch = s.left_batch = s.right_batch = ppq_shape_1d(1);
    } else if (ppq_shape_equal(&p->a, &p->b)) {
        s.batch = s.left_batch = s.right_batch = ppq_shape_1d(ppq_shape_numel(&p->a));
    }
    return s;
}

static ppq_status prepare(const ppq_kernel_spec *s, void **out, ppq_diag *d)
{
    (void) d;
    ppq_product_shape shape;
    ppq_reason why;
    if (!ppq_product_shape_init(&shape, &s->in_shape[0], &s->in_shape[1], &why))
        return PPQ_ERR_UNSUPPORTED;
    const ppq_dnnl_matrices m = matrices(&shape);
    ppq_dnnl_product *p;
    PPQ_TRY(ppq_dnnl_product_create(&m, ppq_spec_const(s, 1), &p));
    *out = p;
    return PPQ_OK;
}

static ppq_status forward(const void *state, ppq_kernel_ctx *c)
{
    return ppq_dnnl_product_run(state, c, c->in[0], c->in[1], NULL, &c->out[0]);
}

static void release(void *state)
{
    ppq_dnnl_product_destroy(state);
}

const ppq_kernel ppq_kernel_mat_mul = {
    .name = "dnnl-matmul",
    .op_type = "MatMul",
    .supports = supports,
    .prepare = prepare,
    .forward = forward,
    .release = release,
};
