#include "quantizer/init.h"

#include <regex.h>
#include <string.h>

#include "core/text.h"
#include "passes/rewrite.h"

#define FIND(kind)                                                        \
    const ppq_##kind *ppq_##kind##_find(const char *name)                 \
    {                                                                     \
        for (const ppq_##kind *const *p = ppq_builtin_##kind##s; *p; p++) \
            if (strcmp((*p)->name, name) == 0)                            \
                return *p;                                                \
        return NULL;                                                      \
    }
FIND(observer)
FIND(platform)
FIND(exporter)
#undef FIND

const ppq_dispatcher *ppq_dispatcher_find(const char *name)
{
    // The spelling of PPQ's own settings.
    if (strcmp(name, "aggresive") == 0)
        name = "aggressive";
    for (const ppq_dispatcher *const *p = ppq_builtin_dispatchers; *p; p++)
        if (strcmp((*p)->name, name) == 0)
            return *p;
    return NULL;
}

// ---- places ---------------------------------------------------------------------------------

static bool listed(const char *const *list, const char *type)
{
    for (; *list; list++)
        if (strcmp(*list, type) == 0)
            return true;
    return false;
}

static bool handles_floats(const ppq_op *op)
{
    for (int32_t k = 0; k < op->n_in; k++)
        if (op->in[k] && ppq_op_in_plane(op, k) == PPQ_PLANE_DATA &&
            op->in[k]->dtype != PPQ_DT_NONE && op->in[k]->dtype != PPQ_DT_F32)
            return false;
    for (int32_t k = 0; k < op->n_out; k++)
        if (op->out[k] && ppq_op_out_plane(op, k) == PPQ_PLANE_DATA &&
            op->out[k]->dtype != PPQ_DT_NONE && op->out[k]->dtype != PPQ_DT_F32)
            return false;
    return true;
}

void ppq_quantizable_ops(const ppq_graph *g, const ppq_platform *p, bool *can, const char **why_not)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        why_not[i] = NULL;
        can[i] = false;
        if (!op->def)
            why_not[i] = "unknown op, passed through";
        else if (op->domain[0] || !listed(p->quant_types, op->type))
            why_not[i] =
                ppq_arena_printf(g->arena, "platform %s does not quantize %s", p->name, op->type);
        else if (!handles_floats(op))
            why_not[i] = "its tensors are not float32";
        else if (p->can_quantize && !p->can_quantize(op, &why_not[i]))
            continue;
        else
            can[i] = true;
    }
}

static ppq_status no_such(const ppq_graph *g, const char *option, const char *name, bool types,
                          ppq_diag *d)
{
    const char *best = "";
    int least = 1 << 20;
    for (size_t i = 0; i < g->n_ops; i++) {
        const char *have = types ? g->ops[i]->type : g->ops[i]->name;
        const int n = ppq_edit_distance(name, have);
        if (n < least) {
            least = n;
            best = have;
        }
    }
    return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = option },
                    "%s '%s' matches no op%s of the model; the nearest is '%s'", option, name,
                    types ? " type" : "", best);
}

static void keep_float(ppq_op *op, const char *why)
{
    if (op->place != PPQ_PLACE_QUANT)
        return;
    op->place = PPQ_PLACE_FP32;
    op->place_reason = why;
}

static ppq_status apply_types(ppq_graph *g, const ppq_settings *s, ppq_diag *d)
{
    for (size_t t = 0; t < s->op_types.n; t++) {
        bool any = false;
        for (size_t i = 0; i < g->n_ops; i++)
            any |= strcmp(g->ops[i]->type, s->op_types.at[t]) == 0;
        if (!any)
            return no_such(g, "--op-types", s->op_types.at[t], true, d);
    }
    for (size_t i = 0; s->op_types.n && i < g->n_ops; i++) {
        bool wanted = false;
        for (size_t t = 0; t < s->op_types.n; t++)
            wanted |= strcmp(g->ops[i]->type, s->op_types.at[t]) == 0;
        if (!wanted)
            keep_float(g->ops[i], "not among --op-types");
    }
    return PPQ_OK;
}

static ppq_status exclude_pattern(ppq_graph *g, const char *pattern, ppq_diag *d)
{
    const size_t n = strlen(pattern);
    char *text = ppq_arena_printf(g->arena, "%.*s", (int) (n - 2), pattern + 1);
    regex_t re;
    if (regcomp(&re, text, REG_EXTENDED | REG_NOSUB) != 0)
        return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "--exclude" },
                        "--exclude %s is no regular expression", pattern);
    bool any = false;
    for (size_t i = 0; i < g->n_ops; i++)
        if (regexec(&re, g->ops[i]->name, 0, NULL, 0) == 0) {
            any = true;
            keep_float(g->ops[i], "matches --exclude");
        }
    regfree(&re);
    return any ? PPQ_OK : no_such(g, "--exclude", pattern, false, d);
}

static ppq_status apply_exclusions(ppq_graph *g, const ppq_settings *s, ppq_diag *d)
{
    for (size_t i = 0; i < s->exclude.n; i++) {
        const char *name = s->exclude.at[i];
        const size_t n = strlen(name);
        ppq_op *op = ppq_graph_find_op(g, name);
        if (op)
            keep_float(op, "named by --exclude");
        else if (n > 2 && name[0] == '/' && name[n - 1] == '/')
            PPQ_TRY(exclude_pattern(g, name, d));
        else
            return no_such(g, "--exclude", name, false, d);
    }
    for (size_t i = 0; i < s->rescued.n; i++) {
        ppq_op *op = ppq_graph_find_op(g, s->rescued.at[i]);
        if (op)
            keep_float(op, "int8 here would cost an output too much");
    }
    for (size_t i = 0; i < s->n_skip_ids; i++) {
        if (s->skip_ids[i] < 0 || (uint64_t) s->skip_ids[i] >= g->n_ops)
            return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "--skip-ids" },
                            "--skip-ids %lld: ids go from 0 to %zu", (long long) s->skip_ids[i],
                            g->n_ops ? g->n_ops - 1 : 0);
        keep_float(g->ops[s->skip_ids[i]], "named by --skip-ids");
    }
    return PPQ_OK;
}

static ppq_status apply_places(ppq_graph *g, const ppq_settings *s, const bool *can,
                               const char *const *why_not, ppq_diag *d)
{
    for (size_t i = 0; i < s->n_place; i++) {
        ppq_op *op = ppq_graph_find_op(g, s->place[i].op);
        if (!op)
            return no_such(g, "--dispatch", s->place[i].op, false, d);
        ppq_place to = PPQ_PLACE_COUNT;
        for (int p = PPQ_PLACE_FP32; p < PPQ_PLACE_COUNT; p++)
            if (strcmp(s->place[i].place, ppq_place_name((ppq_place) p)) == 0)
                to = (ppq_place) p;
        if (to == PPQ_PLACE_COUNT)
            return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "--dispatch", .op = op->name },
                            "--dispatch places '%s' at '%s', legal are quant, fp32 and soi",
                            op->name, s->place[i].place);
        if (to == PPQ_PLACE_QUANT && !can[op->id])
            return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "--dispatch", .op = op->name },
                            "--dispatch wants '%s' quantized, but %s", op->name, why_not[op->id]);
        op->place = to;
        op->place_reason = "placed by --dispatch";
    }
    return PPQ_OK;
}

ppq_status ppq_place_ops(ppq_graph *g, const ppq_platform *p, const ppq_settings *s, ppq_diag *d)
{
    ppq_arena *a = ppq_arena_create("dispatch");
    bool *can = ppq_new_n(a, bool, g->n_ops + 1);
    ppq_place *place = ppq_new_n(a, ppq_place, g->n_ops + 1);
    const char **why_not = ppq_new_n(a, const char *, g->n_ops + 1);
    const char **reason = ppq_new_n(a, const char *, g->n_ops + 1);
    ppq_quantizable_ops(g, p, can, why_not);
    const char *name = s->dispatcher ? s->dispatcher : p->dispatcher;
    const ppq_dispatcher *by = ppq_dispatcher_find(name);
    ppq_status st = by ? by->dispatch(g, can, place, reason, a, d)
                       : ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "dispatch" },
                                  "there is no dispatcher '%s'", name);
    for (size_t i = 0; st == PPQ_OK && i < g->n_ops; i++) {
        g->ops[i]->place = place[i];
        g->ops[i]->place_reason =
            place[i] == PPQ_PLACE_FP32 && why_not[i]
                ? why_not[i]
                : ppq_arena_printf(g->arena, "%s", reason[i] ? reason[i] : "");
    }
    if (st == PPQ_OK)
        st = apply_types(g, s, d);
    if (st == PPQ_OK)
        st = apply_exclusions(g, s, d);
    if (st == PPQ_OK)
        st = apply_places(g, s, can, why_not, d);
    ppq_arena_destroy(a);
    return st;
}

// ---- TQCs -----------------------------------------------------------------------------------

typedef struct slot {
    ppq_qfmt fmt;
    ppq_qstate state;
    const char *observer;
} slot;

static void apply_rules(const ppq_platform *p, const ppq_op *op, ppq_side side, int32_t k,
                        bool constant, slot *s)
{
    for (size_t i = 0; i < p->n_rules; i++) {
        const ppq_qrule *r = &p->rules[i];
        if (strcmp(r->op_type, op->type) != 0 || r->side != side ||
            (r->slot != -1 && r->slot != k) || (r->constants_only && !constant))
            continue;
        s->state = r->state;
        if (r->fmt)
            s->fmt = *r->fmt;
        if (r->observer)
            s->observer = r->observer;
        if (r->axis == PPQ_AXIS_OUT_CHANNEL) {
            const int axis = ppq_weight_axis_of(op, &op->in[k]->shape).axis;
            s->fmt.axis = (int8_t) PPQ_MAX(axis, 0);
            if (axis < 0)
                s->fmt.props = (s->fmt.props & ~(uint32_t) PPQ_Q_PER_CHANNEL) | PPQ_Q_PER_TENSOR;
        }
    }
}

// 7-bit weights: the int16 sums of CPUs without VNNI cannot overflow.
static void reduce_range(const ppq_settings *s, const ppq_platform *p, slot *x)
{
    if (s->weight_bits == 7 && (x->fmt.props & PPQ_Q_SYMMETRIC) && x->fmt.bits == 8 &&
        !ppq_qfmt_equal(&x->fmt, p->activation)) {
        x->fmt.bits = 7;
        x->fmt.qmin = -64;
        x->fmt.qmax = 63;
    }
}

static ppq_status make_tqc(ppq_graph *g, const ppq_platform *p, const ppq_settings *s, ppq_op *op,
                           ppq_side side, int32_t k, ppq_diag *d)
{
    const ppq_var *v = side == PPQ_IN ? op->in[k] : op->out[k];
    const ppq_plane plane = side == PPQ_IN ? ppq_op_in_plane(op, k) : ppq_op_out_plane(op, k);
    if (!v)
        return PPQ_OK;
    const bool constant = ppq_var_is_const(v);
    slot x = { *p->activation, PPQ_QS_INITIAL, p->observer };
    if (constant)
        x.observer = s->weight_method ? s->weight_method : "minmax";
    else if (s->method)
        x.observer = s->method;
    if (plane != PPQ_PLANE_DATA || (v->dtype != PPQ_DT_F32 && v->dtype != PPQ_DT_NONE)) {
        x.state = PPQ_QS_FP32;
    } else {
        apply_rules(p, op, side, k, constant, &x);
        if (constant && s->weight_method)
            x.observer = s->weight_method;
        if (constant)
            reduce_range(s, p, &x);
    }
    const ppq_observer *o = ppq_observer_find(x.observer);
    if (!o)
        return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "observers" },
                        "there is no observer '%s'", x.observer);
    ppq_tqc *t = ppq_graph_new_tqc(g, &x.fmt);
    t->state = x.state;
    t->observer = o;
    *(side == PPQ_IN ? &op->tqc_in[k] : &op->tqc_out[k]) = t;
    return PPQ_OK;
}

ppq_status ppq_init_tqcs(ppq_graph *g, const ppq_platform *p, const ppq_settings *s, ppq_diag *d)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        ppq_op *op = g->ops[i];
        if (op->place != PPQ_PLACE_QUANT)
            continue;
        op->tqc_in = ppq_new_n(g->arena, ppq_tqc *, (size_t) op->n_in + 1);
        op->tqc_out = ppq_new_n(g->arena, ppq_tqc *, (size_t) op->n_out + 1);
        for (int32_t k = 0; k < op->n_in; k++)
            PPQ_TRY(make_tqc(g, p, s, op, PPQ_IN, k, d));
        for (int32_t k = 0; k < op->n_out; k++)
            PPQ_TRY(make_tqc(g, p, s, op, PPQ_OUT, k, d));
    }
    return PPQ_OK;
}
