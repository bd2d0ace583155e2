#include <stdlib.h>

#include "executor/dnnl/product.h"
#include "executor/ops/product.h"

// MatMul. A right operand without a batch makes one tall product of the whole left operand.

static bool supports(const ppq_kernel_spec *s)
{
    return ppq_spec_is_f32(s);
}

// A matrix of `rows` x `cols` under batch dimensions, which are padded with ones to rank `batch`.
static ppq_dnnl_md matrix_md(const ppq_shape *batch_shape, int batch, int64_t rows, int64_t cols)
{
    ppq_shape s = { .rank = batch + 2 };
    const int missing = batch - batch_shape->rank;
    for (int i = 0; i < batch; i++)
        s.dim[i] = i < missing ? 1 : batch_shape->dim[i - missing];
    s.dim[batch] = rows;
    s.dim[batch + 1] = cols;
    return ppq_dnnl_md_of(PPQ_DT_F32, &s, PPQ_LAYOUT_PLAIN);
}

// Equal batches are one dimension; broadcast ones stay apart.
static void merge_batch(ppq_product_shape *p)
{
    if (!ppq_shape_equal(&p->a, &p->b))
        return;
    p->a = ppq_shape_1d(ppq_shape_numel(&p->a));
    p->b = p->batch = p->a;
}

static ppq_dnnl_operands operands(ppq_product_shape *p)
{
    if (ppq_shape_numel(&p->b) == 1) {
        const ppq_shape none = { .rank = 0 };
        const int64_t rows = ppq_shape_numel(&p->a) * p->m;
        return (ppq_dnnl_operands){ .src = matrix_md(&none, 0, rows, p->k),
                                    .weights = matrix_md(&none, 0, p->k, p->n),
                                    .dst = matrix_md(&none, 0, rows, p->n) };
    }
    merge_batch(p);
    const int batch = p->batch.rank;
    return (ppq_dnnl_operands){ .src = matrix_md(&p->a, batch, p->m, p->k),
                                .weights = matrix_md(&p->b, batch, p->k, p->n),
                                .dst = matrix_md(&p->batch, batch, p->m, p->n) };
}

static ppq_status prepare(const ppq_kernel_spec *s, void **out, ppq_diag *d)
{
    (void) d;
    ppq_product_shape shape;
    ppq_reason why;
    if (!ppq_product_shape_init(&shape, &s->in_shape[0], &s->in_shape[1], &why))
        return PPQ_ERR_UNSUPPORTED;
    const ppq_dnnl_operands m = operands(&shape);
    const ppq_tensor *constant = ppq_spec_const(s, 1);
    if (constant && constant->layout != PPQ_LAYOUT_PLAIN)
        constant = NULL;
    ppq_dnnl_product *p = calloc(1, sizeof(*p));
    if (!p)
        return PPQ_ERR_NOMEM;
    const ppq_status st = ppq_dnnl_product_init(p, &m, constant);
    if (st == PPQ_OK)
        *out = p;
    else
        free(p);
    return st;
}

static ppq_status forward(const void *state, ppq_kernel_ctx *c)
{
    return ppq_dnnl_product_run(state, c, c->in[0], c->in[1], NULL, &c->out[0]);
}

static void release(void *state)
{
    if (state)
        ppq_dnnl_product_fini(state);
    free(state);
}

const ppq_kernel ppq_kernel_mat_mul = {
    .name = "dnnl-matmul",
    .op_type = "MatMul",
    .supports = supports,
    .prepare = prepare,
    .forward = forward,
    .release = release,
};
