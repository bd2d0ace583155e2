#include "executor/dnnl/compat.h"
#include "executor/engine/quant_view.h"
#include "executor/engine/step.h"

// MatMul of two computed tensors on integers, with batches.

typedef struct product {
    ppq_grid a, b, out;
    const ppq_op *q; // NULL: the result is float
} product;

// As a batched matrix of the rank of the result; dimensions that are missing are 1.
static ppq_dnnl_md operand(ppq_dtype dt, const ppq_shape *s, int rank)
{
    ppq_shape full = { .rank = rank };
    for (int i = 0; i < rank; i++) {
        const int from = i - (rank - s->rank);
        full.dim[i] = from < 0 ? 1 : s->dim[from];
    }
    return ppq_dnnl_md_of(dt, &full, PPQ_LAYOUT_PLAIN);
}

static ppq_status make(const ppq_plan *p, const ppq_op *op, const product *m, ppq_dnnl_op **out)
{
    const ppq_shape *y = &p->shape[op->out[0]->id];
    const ppq_dnnl_operands x = {
        .src = operand(PPQ_DT_U8, &p->shape[op->in[0]->id], y->rank),
        .weights = operand(PPQ_DT_I8, &p->shape[op->in[1]->id], y->rank),
        .dst = operand(m->q ? PPQ_DT_U8 : PPQ_DT_F32, y, y->rank),
    };
    const ppq_dnnl_quant q = { .src_scale = m->a.scale,
                               .src_zero = m->a.zero,
                               .wei_scale = &m->b.scale,
                               .n_wei_scale = 1,
                               .wei_zero = m->b.zero - 128,
                               .dst_scale = m->q ? m->out.scale : 1,
                               .dst_zero = m->q ? m->out.zero : 0 };
    const ppq_dnnl_attr attr = { .quant = &q };
    return ppq_dnnl_matmul(&x, &attr, out);
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    product m = { .q = NULL };
    const ppq_shape *y = &p->shape[op->out[0]->id];
    // Both operands are arbitrary here, so that on a CPU whose sums saturate they may at any time.
    if ((!ppq_dnnl_exact_u8s8() && !p->o.eager) || !ppq_grid_of_var(op->in[0], &m.a) ||
        !ppq_grid_of_var(op->in[1], &m.b) || y->rank < 2 || y->rank > 4 ||
        p->shape[op->in[0]->id].rank < 2 || p->shape[op->in[1]->id].rank < 2 ||
        ppq_shape_numel(y) == 0)
        return PPQ_ERR_UNSUPPORTED;
    m.q = ppq_only_quantizer(p, op->out[0], &m.out);
    ppq_dnnl_op *dnnl;
    PPQ_TRY(make(p, op, &m, &dnnl));
    int32_t x[2];
    ppq_status st = ppq_plan_read(p, m.a.q, PPQ_WANT_PLAIN, true, &x[0]);
    if (st == PPQ_OK)
        st = ppq_plan_read(p, m.b.q, PPQ_WANT_PLAIN, true, &x[1]);
    // The library's right operand is int8.
    if (st == PPQ_OK)
        st = ppq_step_flip(p, x[1], &x[1]);
    if (st != PPQ_OK) {
        ppq_dnnl_op_destroy(dnnl);
        return st;
    }
    const ppq_var *to = m.q ? m.out.q : op->out[0];
    const int32_t out =
        ppq_plan_new_value(p, to, m.q ? PPQ_DT_U8 : PPQ_DT_F32, y, PPQ_LAYOUT_PLAIN);
    ppq_plan_value(p, out)->flipped = m.q && m.out.flipped;
    ppq_step *s = ppq_plan_add_dnnl(p, op, "product", dnnl, x, 2, &out, 1);
    ppq_step_bind(s, PPQ_DNNL_SRC, x[0]);
    ppq_step_bind(s, PPQ_DNNL_WEIGHTS, x[1]);
    ppq_step_bind(s, PPQ_DNNL_DST, out);
    s->int8 = true;
    const ppq_shape *a = &p->shape[op->in[0]->id];
    s->macs = (double) ppq_shape_numel(y) * (double) a->dim[a->rank - 1];
    ppq_plan_done(p, op);
    if (m.q)
        ppq_plan_done(p, m.q);
    return PPQ_OK;
}

static const char *const types[] = { "MatMul", NULL };

const ppq_rule ppq_rule_product = {
    .name = "product",
    .summary = "MatMul of two computed tensors on integers",
    .types = types,
    .lower = lower,
};
