#include "executor/dnnl/run.h"
#include "executor/engine/quant_view.h"
#include "executor/engine/step.h"

// MaxPool on integers: a maximum stays on the grid of its input.

static bool window(const ppq_plan *p, const ppq_op *op, ppq_dnnl_window *out)
{
    ppq_window w;
    ppq_reason why;
    const ppq_shape *x = &p->shape[op->in[0]->id];
    if (x->rank < 3 || x->rank > 5 || (op->n_out > 1 && op->out[1]) ||
        ppq_shape_numel(&p->shape[op->out[0]->id]) == 0 ||
        !ppq_window_init(&w, op, x->rank - 2, x->dim + 2, NULL, &why))
        return false;
    *out = ppq_dnnl_window_of(&w, false);
    for (int i = 0; i < w.n; i++)
        if (w.dilation[i] != 1 || w.pad_lo[i] >= w.kernel[i] || out->pad_hi[i] >= w.kernel[i])
            return false;
    return true;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    ppq_grid in, out;
    ppq_dnnl_window w;
    const ppq_op *q =
        ppq_grid_of_var(op->in[0], &in) ? ppq_only_quantizer(p, op->out[0], &out) : NULL;
    if (!q || !ppq_grid_equal(&in, &out) || !window(p, op, &w))
        return PPQ_ERR_UNSUPPORTED;
    const ppq_shape *y = &p->shape[op->out[0]->id];
    const ppq_dnnl_md src =
        ppq_dnnl_md_of(PPQ_DT_U8, &p->shape[in.q->id], PPQ_LAYOUT_CHANNELS_LAST);
    const ppq_dnnl_md dst = ppq_dnnl_md_of(PPQ_DT_U8, y, PPQ_LAYOUT_CHANNELS_LAST);
    int32_t x;
    ppq_dnnl_op *pool;
    PPQ_TRY(ppq_dnnl_pool(PPQ_DNNL_POOL_MAX, &src, &dst, &w, &pool));
    const ppq_status st = ppq_plan_read(p, in.q, PPQ_WANT_LAST, true, &x);
    if (st != PPQ_OK) {
        ppq_dnnl_op_destroy(pool);
        return st;
    }
    const int32_t to = ppq_plan_new_value(p, out.q, PPQ_DT_U8, y, PPQ_LAYOUT_CHANNELS_LAST);
    ppq_plan_value(p, to)->flipped = in.flipped;
    ppq_step *s = ppq_plan_add_dnnl(p, op, "max-pool", pool, &x, 1, &to, 1);
    ppq_step_bind(s, PPQ_DNNL_SRC, x);
    ppq_step_bind(s, PPQ_DNNL_DST, to);
    s->int8 = true;
    ppq_plan_done(p, op);
    ppq_plan_done(p, q);
    return PPQ_OK;
}

static const char *const types[] = { "MaxPool", NULL };

const ppq_rule ppq_rule_max_pool = {
    .name = "max-pool",
    .summary = "MaxPool between one grid on both sides",
    .types = types,
    .lower = lower,
};
