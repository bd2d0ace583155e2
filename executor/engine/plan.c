#include <stdlib.h>
#include <string.h>

#include "executor/engine/memory.h"
#include "executor/engine/quant_view.h"
#include "executor/engine/run.h"
#include "executor/exec.h"

static ppq_loc at_op(const ppq_op *op)
{
    return (ppq_loc){ .stage = "plan", .op = op->name };
}

// ---- what is needed -------------------------------------------------------------------------

static void skip_unneeded(ppq_plan *p)
{
    for (size_t i = p->n_order; i-- > 0;) {
        const ppq_op *op = p->order[i];
        bool needed = false;
        for (int32_t k = 0; k < op->n_out && !needed; k++) {
            const ppq_var *v = op->out[k];
            if (!v)
                continue;
            needed = v->is_output || (p->o.tapped && p->o.tapped[v->id]);
            for (int32_t u = 0; u < v->n_uses; u++)
                needed |= !p->done[v->uses[u].op->id];
        }
        p->done[op->id] = !needed;
    }
}

static ppq_status check_known(const ppq_plan *p)
{
    ppq_status st = PPQ_OK;
    for (size_t i = 0; i < p->n_order; i++)
        if (!p->done[p->order[i]->id] && ppq_op_check_known(p->order[i], p->d) != PPQ_OK)
            st = PPQ_ERR_UNSUPPORTED;
    return st;
}

// ---- shapes ---------------------------------------------------------------------------------

// Whether elements are all there is: strings and containers point elsewhere.
static bool is_plain(ppq_dtype dt)
{
    return dt != PPQ_DT_NONE && dt != PPQ_DT_STRING && !ppq_dtype_is_container(dt);
}

static ppq_status infer_op(ppq_plan *p, const ppq_op *op, ppq_arena *a)
{
    const size_t ni = (size_t) op->n_in + 1, no = (size_t) op->n_out + 1;
    const ppq_tensor **value = ppq_new_n(a, const ppq_tensor *, ni);
    ppq_shape *in = ppq_new_n(a, ppq_shape, ni), *out = ppq_new_n(a, ppq_shape, no);
    ppq_dtype *in_dt = ppq_new_n(a, ppq_dtype, ni), *out_dt = ppq_new_n(a, ppq_dtype, no);
    bool *has = ppq_new_n(a, bool, ni);
    bool moored = true;
    for (int32_t k = 0; k < op->n_in + op->n_implicit; k++)
        moored &= !op->in[k] || !p->unmoored[op->in[k]->id];
    for (int32_t k = 0; k < op->n_in; k++) {
        const ppq_var *v = op->in[k];
        has[k] = v != NULL;
        in[k] = v ? p->shape[v->id] : (ppq_shape){ .rank = -1 };
        in_dt[k] = v ? p->dtype[v->id] : PPQ_DT_NONE;
        value[k] = v ? ppq_plan_known(p, v) : NULL;
    }
    for (int32_t k = 0; k < op->n_out; k++)
        out[k].rank = -1;
    PPQ_TRY(ppq_op_check_kinds(op, in_dt, p->d));
    ppq_infer_ctx c = { op,  ppq_graph_opset(p->g, op->domain), value, in, in_dt, has, out, out_dt,
                        p->d };
    PPQ_TRY(op->def->infer(&c));
    for (int32_t k = 0; k < op->n_out; k++)
        moored &= !op->out[k] || (is_plain(out_dt[k]) && ppq_shape_known(&out[k]));
    for (int32_t k = 0; k < op->n_out; k++) {
        const ppq_var *v = op->out[k];
        if (!v)
            continue;
        p->shape[v->id] = out[k];
        p->dtype[v->id] = out_dt[k];
        p->unmoored[v->id] = !moored;
    }
    return PPQ_OK;
}

// What an op that only looks at shapes and constants gives is known now.
enum { KNOWN_ELEMENTS = 4096 };

static ppq_status know_shape(ppq_plan *p, const ppq_op *op)
{
    const ppq_shape *s = &p->shape[op->in[0]->id], *y = &p->shape[op->out[0]->id];
    const int64_t from = ppq_op_attr_int(op, "start", 0);
    const int64_t start = PPQ_MIN(PPQ_MAX(from < 0 ? from + s->rank : from, 0), s->rank);
    ppq_tensor *t = &p->known[op->out[0]->id];
    PPQ_TRY(ppq_tensor_alloc(t, PPQ_DT_I64, y));
    for (int64_t i = 0; i < y->dim[0]; i++)
        ppq_i64(t)[i] = s->dim[start + i];
    p->done[op->id] = true;
    return PPQ_OK;
}

static ppq_status know(ppq_plan *p, const ppq_op *op, ppq_arena *a)
{
    if (ppq_op_is(op, "Shape") && op->out[0] && !p->unmoored[op->in[0]->id])
        return know_shape(p, op);
    if (op->n_implicit || ppq_op_has_trait(op, PPQ_OP_RANDOM) || ppq_op_is(op, "DequantizeLinear"))
        return PPQ_OK;
    const ppq_tensor **in = ppq_new_n(a, const ppq_tensor *, (size_t) op->n_in + 1);
    for (int32_t k = 0; k < op->n_in; k++) {
        in[k] = op->in[k] ? ppq_plan_known(p, op->in[k]) : NULL;
        if (op->in[k] && !in[k])
            return PPQ_OK;
    }
    int64_t n = 0;
    for (int32_t k = 0; k < op->n_out; k++) {
        if (!op->out[k] || p->unmoored[op->out[k]->id])
            return PPQ_OK;
        n += ppq_shape_numel(&p->shape[op->out[k]->id]);
    }
    if (n > KNOWN_ELEMENTS)
        return PPQ_OK;
    ppq_tensor *out = ppq_new_n(a, ppq_tensor, (size_t) op->n_out + 1);
    PPQ_TRY(ppq_op_eval(op, ppq_graph_opset(p->g, op->domain), in, out, p->d));
    for (int32_t k = 0; k < op->n_out; k++)
        p->known[op->out[k]->id] = out[k];
    p->done[op->id] = true;
    return PPQ_OK;
}

static ppq_status infer_all(ppq_plan *p)
{
    for (size_t i = 0; i < p->g->n_vars; i++) {
        const ppq_var *v = p->g->vars[i];
        const bool given = v->is_input || ppq_var_is_const(v);
        p->shape[i] = given ? v->shape : (ppq_shape){ .rank = -1 };
        p->dtype[i] = given ? v->dtype : PPQ_DT_NONE;
        p->first[i] = PPQ_NO_VALUE;
    }
    for (int32_t i = 0; i < p->g->n_inputs; i++) {
        const ppq_var *v = p->g->inputs[i];
        if (p->o.shapes)
            p->shape[v->id] = p->o.shapes[i];
        if (!ppq_shape_known(&p->shape[v->id]))
            return ppq_fail(p->d, PPQ_ERR_SHAPE, (ppq_loc){ .stage = "plan", .var = v->name },
                            "the shape of input '%s' is not known", v->name);
    }
    ppq_arena *a = ppq_arena_create("plan-infer");
    ppq_status st = PPQ_OK;
    for (size_t i = 0; i < p->n_order && st == PPQ_OK; i++) {
        if (p->done[p->order[i]->id])
            continue;
        st = ppq_op_check_arity(p->order[i], p->d);
        if (st == PPQ_OK)
            st = infer_op(p, p->order[i], a);
        if (st == PPQ_OK)
            st = know(p, p->order[i], a);
        ppq_arena_reset(a);
    }
    ppq_arena_destroy(a);
    return st;
}

// ---- lowering -------------------------------------------------------------------------------

static bool moored(const ppq_plan *p, const ppq_op *op)
{
    for (int32_t k = 0; k < op->n_in; k++)
        if (op->in[k] && p->unmoored[op->in[k]->id])
            return false;
    for (int32_t k = 0; k < op->n_out; k++)
        if (op->out[k] && p->unmoored[op->out[k]->id])
            return false;
    return true;
}

static bool concerns(const ppq_rule *r, const ppq_op *op)
{
    if (!r->types)
        return true;
    for (const char *const *t = r->types; *t; t++)
        if (ppq_op_is(op, *t))
            return true;
    return false;
}

// A lazy op is done without a step; its readers ask for its value.
static bool is_lazy(const ppq_plan *p, const ppq_op *op)
{
    ppq_grid g;
    return ppq_dequantizes_constant(op) ||
           (ppq_grid_of_op(op, &g) && moored(p, op) && p->dtype[op->out[0]->id] != PPQ_DT_F16 &&
            p->dtype[op->in[0]->id] != PPQ_DT_F16);
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    if (is_lazy(p, op))
        return PPQ_OK;
    const bool fixed = moored(p, op);
    for (const ppq_rule *const *r = ppq_builtin_rules; *r; r++) {
        if ((!fixed && r[1]) || (p->o.onednn_only && (*r)->own) || !concerns(*r, op))
            continue;
        const ppq_status st = (*r)->lower(p, op);
        if (st != PPQ_ERR_UNSUPPORTED)
            return st;
    }
    return ppq_fail(p->d, PPQ_ERR_UNSUPPORTED, at_op(op), "no rule can run this %s", op->type);
}

static bool is_read_later(const ppq_plan *p, const ppq_var *v)
{
    for (int32_t i = 0; i < v->n_uses; i++)
        if (!p->done[v->uses[i].op->id])
            return true;
    return v->is_output;
}

// The weights of a product that is packed, or the integers that they are dequantized from.
static void spend_weights(const ppq_plan *p, const ppq_op *op)
{
    static const char *const products[] = { "Conv", "ConvTranspose", "Gemm", "MatMul", NULL };
    const ppq_rule any = { .types = products };
    if (!concerns(&any, op) || !p->done[op->id] || op->n_in < 2 || is_read_later(p, op->in[1]))
        return;
    const ppq_op *dq = op->in[1]->producer.op;
    ppq_var *w = op->in[1];
    if (dq) {
        if (!ppq_dequantizes_constant(dq) || dq->in[0]->n_uses != 1 || dq->in[0]->is_output)
            return;
        w = dq->in[0];
    }
    ppq_tensor_unref(&w->value);
}

static ppq_status lower_all(ppq_plan *p)
{
    for (size_t i = 0; i < p->n_order; i++) {
        if (p->done[p->order[i]->id])
            continue;
        PPQ_TRY(lower(p, p->order[i]));
        if (p->o.spend)
            spend_weights(p, p->order[i]);
    }
    p->outputs = ppq_new_n(p->arena, int32_t, (size_t) p->g->n_outputs + 1);
    for (int32_t i = 0; i < p->g->n_outputs; i++) {
        const ppq_var *v = p->g->outputs[i];
        if (ppq_plan_read(p, v, PPQ_WANT_PLAIN, false, &p->outputs[i]) != PPQ_OK)
            return ppq_fail(p->d, PPQ_ERR_MODEL, (ppq_loc){ .stage = "plan", .var = v->name },
                            "output '%s' has no value", v->name);
    }
    // A lazy op that a tap wants to see must be computed.
    for (size_t i = 0; p->o.tapped && i < p->g->n_vars; i++) {
        int32_t value;
        if (p->o.tapped[i] && p->first[i] == PPQ_NO_VALUE)
            (void) !ppq_plan_read(p, p->g->vars[i], PPQ_WANT_ANY, true, &value);
    }
    return PPQ_OK;
}

// ---- the plan -------------------------------------------------------------------------------

void ppq_step_fini(ppq_step *s)
{
    if (s->release)
        s->release(s->state);
    ppq_dnnl_op_destroy(s->dnnl);
    for (size_t i = 0; i < PPQ_COUNT(s->packed); i++)
        ppq_tensor_unref(&s->packed[i]);
    s->release = NULL;
    s->dnnl = NULL;
}

void ppq_plan_destroy(ppq_plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_steps; i++)
        ppq_step_fini(p->steps[i]);
    for (size_t i = 0; i < p->n_storages; i++)
        ppq_tensor_unref(&p->storages[i]->constant);
    for (size_t i = 0; p->known && i < p->g->n_vars; i++)
        ppq_tensor_unref(&p->known[i]);
    free(p->steps);
    free(p->values);
    free(p->storages);
    ppq_arena_destroy(p->arena);
    free(p);
}

static void count(ppq_plan *p)
{
    p->info.n_steps = p->n_steps;
    p->info.arena_bytes = p->arena_bytes + p->scratch_bytes;
    for (size_t i = 0; i < p->n_steps; i++) {
        const ppq_step *s = p->steps[i];
        p->info.n_int8 += s->int8;
        for (size_t k = 0; k < PPQ_COUNT(s->packed); k++)
            p->info.weight_bytes += s->packed[k].buf ? ppq_tensor_bytes(&s->packed[k]) : 0;
    }
}

ppq_status ppq_plan_create(const ppq_graph *g, const ppq_engine_opts *o, ppq_plan **out,
                           ppq_diag *d)
{
    ppq_plan *p = calloc(1, sizeof(*p));
    if (!p)
        abort();
    p->g = g;
    p->o = *o;
    p->o.n_threads = PPQ_MAX(1, o->n_threads);
    p->d = d;
    p->isa = o->isa ? (ppq_isa) (o->isa - 1) : ppq_isa_detect();
    p->arena = ppq_arena_create("plan");
    p->done = ppq_new_n(p->arena, bool, g->n_ops + 1);
    p->unmoored = ppq_new_n(p->arena, bool, g->n_vars + 1);
    p->first = ppq_new_n(p->arena, int32_t, g->n_vars + 1);
    p->shape = ppq_new_n(p->arena, ppq_shape, g->n_vars + 1);
    p->dtype = ppq_new_n(p->arena, ppq_dtype, g->n_vars + 1);
    p->known = ppq_new_n(p->arena, ppq_tensor, g->n_vars + 1);
    const int before = ppq_dnnl_get_threads();
    ppq_dnnl_set_threads(p->o.n_threads);
    ppq_status st = ppq_graph_topo(g, p->arena, &p->order, &p->n_order, d);
    if (st == PPQ_OK)
        skip_unneeded(p);
    if (st == PPQ_OK)
        st = check_known(p);
    if (st == PPQ_OK)
        st = infer_all(p);
    if (st == PPQ_OK)
        st = lower_all(p);
    ppq_dnnl_set_threads(before);
    if (st != PPQ_OK) {
        ppq_plan_destroy(p);
        return st;
    }
    ppq_plan_memory(p);
    count(p);
    p->o.tapped = NULL; // the caller's
    p->o.shapes = NULL;
    p->d = NULL;
    *out = p;
    return PPQ_OK;
}
