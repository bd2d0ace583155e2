#include <stdlib.h>

#include "executor/dnnl/run.h"
#include "executor/engine/kernels/pool.h"
#include "executor/engine/quant_view.h"
#include "executor/engine/rules/window_2d.h"
#include "executor/ops/window.h"

// AveragePool and GlobalAveragePool of one or two dimensions on integers, by our own kernel, to
// another grid or to float.

typedef struct state {
    ppq_isa isa;
    ppq_q8_pool k;
    int64_t rows;
} state;

static void run_rows(const ppq_rows *x, int64_t begin, int64_t end)
{
    const state *s = x->state;
    ppq_q8_pool_average(s->isa, &s->k, x->src, x->dst, begin, end);
}

static ppq_status run(const ppq_step *s, ppq_call *c)
{
    const state *t = s->state;
    return ppq_call_rows(c, s, t->rows, run_rows);
}

static bool window(const ppq_op *op, const ppq_shape *x, ppq_window *w)
{
    ppq_reason why;
    if (ppq_op_is(op, "AveragePool"))
        return ppq_window_init(w, op, x->rank - 2, x->dim + 2, NULL, &why);
    *w = (ppq_window){ .n = x->rank - 2 };
    for (int i = 0; i < w->n; i++) {
        w->in[i] = w->kernel[i] = x->dim[i + 2];
        w->out[i] = w->stride[i] = w->dilation[i] = 1;
    }
    return true;
}

static void fill(const ppq_window *w, const ppq_shape *x, const ppq_shape *y, ppq_q8_pool *k)
{
    const ppq_dnnl_window window = ppq_dnnl_window_of(w, false);
    const ppq_window image = ppq_window_as_image(w);
    k->win = ppq_window_2d_of(&window, x, y);
    k->pad_hi[0] = image.pad_hi[0];
    k->pad_hi[1] = image.pad_hi[1];
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    ppq_grid in, out;
    ppq_window w;
    const ppq_shape *x = &p->shape[op->in[0]->id], *y = &p->shape[op->out[0]->id];
    if (!ppq_grid_of_var(op->in[0], &in) || x->rank < 3 || x->rank > 4 || ppq_shape_numel(y) == 0 ||
        !window(op, x, &w))
        return PPQ_ERR_UNSUPPORTED;
    const ppq_op *q = ppq_only_quantizer(p, op->out[0], &out);
    state *s = ppq_new(p->arena, state);
    s->isa = ppq_plan_isa(p);
    s->k.channels = x->dim[1];
    s->k.src = ppq_q8_u8(in.scale, in.zero);
    s->k.dst = q ? ppq_q8_u8(out.scale, out.zero) : s->k.src;
    s->k.to_float = !q;
    s->k.include_pad = ppq_op_attr_int(op, "count_include_pad", 0) != 0;
    fill(&w, x, y, &s->k);
    s->rows = x->dim[0] * s->k.win.dst_size[0];
    int32_t from;
    PPQ_TRY(ppq_plan_read(p, in.q, PPQ_WANT_LAST, true, &from));
    const int32_t to = ppq_plan_new_value(p, q ? out.q : op->out[0], q ? PPQ_DT_U8 : PPQ_DT_F32, y,
                                          PPQ_LAYOUT_CHANNELS_LAST);
    ppq_plan_value(p, to)->flipped = q && out.flipped;
    ppq_step *step = ppq_plan_add_step(p, op, "average-pool", run, &from, 1, &to, 1);
    step->state = s;
    step->int8 = true;
    ppq_plan_done(p, op);
    if (q)
        ppq_plan_done(p, q);
    return PPQ_OK;
}

static const char *const types[] = { "AveragePool", "GlobalAveragePool", NULL };

const ppq_rule ppq_rule_average_pool = {
    .name = "average-pool",
    .summary = "AveragePool and GlobalAveragePool on integers, by our own kernel",
    .types = types,
    .lower = lower,
};
