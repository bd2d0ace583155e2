#include "executor/engine/quant_view.h"
#include "executor/engine/rules/island.h"

// Ops that only move or select values, between one grid on both sides: they run on the integers.

static bool is_moved(const ppq_plan *p, const ppq_op *op, int32_t k)
{
    const ppq_var *v = op->in[k];
    return v && ppq_op_in_plane(op, k) == PPQ_PLANE_DATA && p->dtype[v->id] == PPQ_DT_F32;
}

// Not every operator that selects real numbers is defined on integers: GlobalMaxPool is not.
static bool knows_bytes(const ppq_plan *p, const ppq_op *op)
{
    const size_t ni = (size_t) op->n_in + 1, no = (size_t) op->n_out + 1;
    ppq_shape *in = ppq_new_n(p->arena, ppq_shape, ni), *out = ppq_new_n(p->arena, ppq_shape, no);
    ppq_dtype *in_dt = ppq_new_n(p->arena, ppq_dtype, ni);
    ppq_dtype *out_dt = ppq_new_n(p->arena, ppq_dtype, no);
    const ppq_tensor **value = ppq_new_n(p->arena, const ppq_tensor *, ni);
    bool *has = ppq_new_n(p->arena, bool, ni);
    for (int32_t k = 0; k < op->n_in; k++) {
        const ppq_var *v = op->in[k];
        has[k] = v != NULL;
        in[k] = v ? p->shape[v->id] : (ppq_shape){ .rank = -1 };
        in_dt[k] = !v ? PPQ_DT_NONE : is_moved(p, op, k) ? PPQ_DT_U8 : p->dtype[v->id];
        value[k] = v ? ppq_plan_known(p, v) : NULL;
    }
    for (int32_t k = 0; k < op->n_out; k++)
        out[k].rank = -1;
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    ppq_infer_ctx c = {
        op, ppq_graph_opset(p->g, op->domain), value, in, in_dt, has, out, out_dt, d
    };
    const bool known = op->def->infer(&c) == PPQ_OK;
    ppq_diag_destroy(d);
    return known;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    const size_t ni = (size_t) (op->n_in + op->n_implicit) + 1, no = (size_t) op->n_out + 1;
    ppq_grid g, other;
    const ppq_op **q = ppq_new_n(p->arena, const ppq_op *, no);
    const ppq_var **to = ppq_new_n(p->arena, const ppq_var *, no);
    if (!ppq_op_selects(op) || op->n_in < 1 || op->n_implicit || !ppq_grid_of_var(op->in[0], &g) ||
        !knows_bytes(p, op))
        return PPQ_ERR_UNSUPPORTED;
    for (int32_t k = 0; k < op->n_out; k++) {
        q[k] = op->out[k] ? ppq_only_quantizer(p, op->out[k], &other) : NULL;
        if (!q[k] || !ppq_grid_equal(&g, &other))
            return PPQ_ERR_UNSUPPORTED;
        to[k] = other.q;
    }
    int32_t *in = ppq_new_n(p->arena, int32_t, ni), *out = ppq_new_n(p->arena, int32_t, no);
    for (int32_t k = 0; k < op->n_in; k++) {
        const ppq_var *v = op->in[k];
        const bool data = is_moved(p, op, k);
        in[k] = PPQ_NO_VALUE;
        if (!v)
            continue;
        if (data && (!ppq_grid_of_var(v, &other) || !ppq_grid_equal(&g, &other)))
            return PPQ_ERR_UNSUPPORTED;
        PPQ_TRY(ppq_plan_read(p, data ? other.q : v, PPQ_WANT_PLAIN, data, &in[k]));
    }
    for (int32_t k = 0; k < op->n_out; k++) {
        out[k] = ppq_plan_new_value(p, to[k], PPQ_DT_U8, &p->shape[to[k]->id], PPQ_LAYOUT_PLAIN);
        ppq_plan_value(p, out[k])->flipped = g.flipped;
        ppq_plan_done(p, q[k]);
    }
    ppq_plan_done(p, op);
    PPQ_TRY(ppq_island_step(p, op, NULL, NULL, in, out));
    p->steps[p->n_steps - 1]->int8 = true;
    return PPQ_OK;
}

const ppq_rule ppq_rule_move = {
    .name = "move",
    .summary = "ops that only move values, between one grid on both sides: on integers",
    .types = NULL,
    .lower = lower,
};
