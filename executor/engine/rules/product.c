#include "executor/dnnl/compat.h"
#include "executor/engine/kernels/mat_mul.h"
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

// What is the same for both kinds of steps: reading, the result, its place in the plan.
static ppq_status read_operands(ppq_plan *p, const product *m, int32_t x[2])
{
    PPQ_TRY(ppq_plan_read(p, m->a.q, PPQ_WANT_PLAIN, true, &x[0]));
    return ppq_plan_read(p, m->b.q, PPQ_WANT_PLAIN, true, &x[1]);
}

static int32_t new_result(ppq_plan *p, const ppq_op *op, const product *m)
{
    const ppq_var *to = m->q ? m->out.q : op->out[0];
    const int32_t out = ppq_plan_new_value(p, to, m->q ? PPQ_DT_U8 : PPQ_DT_F32,
                                           &p->shape[op->out[0]->id], PPQ_LAYOUT_PLAIN);
    ppq_plan_value(p, out)->flipped = m->q && m->out.flipped;
    return out;
}

static void finish(ppq_plan *p, const ppq_op *op, const product *m, ppq_step *s)
{
    const ppq_shape *a = &p->shape[op->in[0]->id];
    s->int8 = true;
    s->macs = (double) ppq_shape_numel(&p->shape[op->out[0]->id]) * (double) a->dim[a->rank - 1];
    ppq_plan_done(p, op);
    if (m->q)
        ppq_plan_done(p, m->q);
}

// ---- by the library -------------------------------------------------------------------------

static ppq_status lower_dnnl(ppq_plan *p, const ppq_op *op, const product *m)
{
    ppq_dnnl_op *dnnl;
    PPQ_TRY(make(p, op, m, &dnnl));
    int32_t x[2];
    ppq_status st = read_operands(p, m, x);
    // The library's right operand is int8.
    if (st == PPQ_OK)
        st = ppq_step_flip(p, x[1], &x[1]);
    if (st != PPQ_OK) {
        ppq_dnnl_op_destroy(dnnl);
        return st;
    }
    const int32_t out = new_result(p, op, m);
    ppq_step *s = ppq_plan_add_dnnl(p, op, "product", dnnl, x, 2, &out, 1);
    ppq_step_bind(s, PPQ_DNNL_SRC, x[0]);
    ppq_step_bind(s, PPQ_DNNL_WEIGHTS, x[1]);
    ppq_step_bind(s, PPQ_DNNL_DST, out);
    finish(p, op, m, s);
    return PPQ_OK;
}

// ---- by our own kernel ----------------------------------------------------------------------

typedef struct state {
    ppq_isa isa;
    ppq_q8_mat_mul m;
    ppq_q8 to;
    bool quantized;
    int64_t batch, rows;
    int64_t *a, *b; // [batch] where each matrix begins
} state;

static void run_rows(const ppq_rows *x, int64_t begin, int64_t end)
{
    const state *s = x->state;
    const size_t size = s->quantized ? 1 : sizeof(float);
    while (begin < end) {
        const int64_t i = begin / s->rows, first = begin % s->rows;
        const int64_t n = PPQ_MIN(end - begin, s->rows - first);
        ppq_q8_mat_mul_pack(s->isa, &s->m, x->src_1 + s->b[i], x->scratch);
        ppq_q8_mat_mul_rows(s->isa, &s->m, x->src + s->a[i] + first * s->m.k, n,
                            s->quantized ? &s->to : NULL, x->scratch,
                            x->dst + (size_t) (begin * s->m.n) * size);
        begin += n;
    }
}

static ppq_status run(const ppq_step *step, ppq_call *c)
{
    const state *s = step->state;
    return ppq_call_rows(c, step, s->batch * s->rows, run_rows);
}

// Where the matrices of an operand begin, repeated as its shape is broadcast to that of the result.
static int64_t *matrices(ppq_plan *p, const ppq_shape *s, const ppq_shape *y, int64_t n)
{
    int64_t *at = ppq_new_n(p->arena, int64_t, (size_t) n), stride[PPQ_MAX_RANK];
    ppq_shape outer = *s, all = *y;
    const int64_t size = s->dim[s->rank - 1] * s->dim[s->rank - 2];
    outer.rank -= 2;
    all.rank -= 2;
    ppq_broadcast_strides(&outer, &all, stride);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = all.rank - 1, rest = i; k >= 0; rest /= all.dim[k--])
            at[i] += rest % all.dim[k] * stride[k] * size;
    return at;
}

static ppq_status lower_own(ppq_plan *p, const ppq_op *op, const product *m)
{
    const ppq_shape *a = &p->shape[op->in[0]->id], *b = &p->shape[op->in[1]->id];
    const ppq_shape *y = &p->shape[op->out[0]->id];
    const int64_t k = a->dim[a->rank - 1];
    int32_t x[2];
    if (k < 1 || k > PPQ_Q8_MAT_MUL_DEPTH)
        return PPQ_ERR_UNSUPPORTED;
    PPQ_TRY(read_operands(p, m, x));
    state *s = ppq_new(p->arena, state);
    s->isa = ppq_plan_isa(p);
    s->m =
        (ppq_q8_mat_mul){ k, y->dim[y->rank - 1], m->a.zero, m->b.zero, m->a.scale * m->b.scale };
    s->quantized = m->q != NULL;
    if (m->q)
        s->to = ppq_q8_u8(m->out.scale, m->out.zero);
    s->rows = y->dim[y->rank - 2];
    s->batch = ppq_shape_numel(y) / (s->rows * s->m.n);
    s->a = matrices(p, a, y, s->batch);
    s->b = matrices(p, b, y, s->batch);
    const int32_t out = new_result(p, op, m);
    ppq_step *step = ppq_plan_add_step(p, op, "product", run, x, 2, &out, 1);
    step->state = s;
    step->thread_scratch = ppq_q8_mat_mul_scratch(&s->m);
    finish(p, op, m, step);
    return PPQ_OK;
}

// ---- planning -------------------------------------------------------------------------------

// Both operands are arbitrary here, so that the library's sums may saturate at any time where they
// can at all.
static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    product m = { .q = NULL };
    const ppq_shape *y = &p->shape[op->out[0]->id];
    if (!ppq_grid_of_var(op->in[0], &m.a) || !ppq_grid_of_var(op->in[1], &m.b) || y->rank < 2 ||
        y->rank > 4 || p->shape[op->in[0]->id].rank < 2 || p->shape[op->in[1]->id].rank < 2 ||
        ppq_shape_numel(y) == 0)
        return PPQ_ERR_UNSUPPORTED;
    m.q = ppq_only_quantizer(p, op->out[0], &m.out);
    return ppq_dnnl_exact_u8s8() ? lower_dnnl(p, op, &m) : lower_own(p, op, &m);
}

static const char *const types[] = { "MatMul", NULL };

const ppq_rule ppq_rule_product = {
    .name = "product",
    .summary = "MatMul of two computed tensors on integers",
    .types = types,
    .lower = lower,
};
