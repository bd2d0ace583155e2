#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "executor/engine/step.h"
#include "executor/exec.h"

// Which values a plan has, and how one is made of another.

static void *grow(void *list, size_t n, size_t *cap)
{
    if (n < *cap)
        return list;
    *cap = PPQ_MAX(2 * *cap, (size_t) 64);
    void *more = realloc(list, *cap * sizeof(void *));
    if (!more)
        abort();
    return more;
}

static ppq_storage *new_storage(ppq_plan *p, ppq_storage_kind kind)
{
    ppq_storage *s = ppq_new(p->arena, ppq_storage);
    s->kind = kind;
    s->first = s->last = PPQ_NO_VALUE;
    p->storages = grow(p->storages, p->n_storages, &p->cap_storages);
    p->storages[p->n_storages++] = s;
    return s;
}

const ppq_tensor *ppq_plan_keep(ppq_plan *p, ppq_tensor *take)
{
    ppq_storage *s = new_storage(p, PPQ_STORAGE_CONST);
    s->constant = *take;
    *take = (ppq_tensor){ 0 };
    return &s->constant;
}

static ppq_value *new_value(ppq_plan *p, const ppq_var *var, ppq_dtype dt, const ppq_shape *s,
                            ppq_layout layout, int32_t storage)
{
    ppq_value *v = ppq_new(p->arena, ppq_value);
    p->values = grow(p->values, p->n_values, &p->cap_values);
    *v = (ppq_value){ .id = (int32_t) p->n_values,
                      .storage = storage,
                      .next = PPQ_NO_VALUE,
                      .of = PPQ_NO_VALUE,
                      .var = var,
                      .dtype = dt,
                      .shape = *s,
                      .layout = s->rank >= 3 ? layout : PPQ_LAYOUT_PLAIN,
                      .writer = PPQ_NO_VALUE };
    p->values[p->n_values++] = v;
    if (var) {
        v->tapped = p->first[var->id] == PPQ_NO_VALUE;
        int32_t *at = &p->first[var->id];
        while (*at != PPQ_NO_VALUE)
            at = &p->values[*at]->next;
        *at = v->id;
    }
    return v;
}

int32_t ppq_plan_new_value(ppq_plan *p, const ppq_var *var, ppq_dtype dt, const ppq_shape *s,
                           ppq_layout layout)
{
    const bool known = ppq_shape_known(s);
    ppq_storage *st = new_storage(p, known ? PPQ_STORAGE_ARENA : PPQ_STORAGE_HELD);
    st->bytes = known ? ppq_shape_bytes(s, dt) : 0;
    return new_value(p, var, dt, s, layout, (int32_t) p->n_storages - 1)->id;
}

int32_t ppq_plan_new_alias(ppq_plan *p, const ppq_var *var, ppq_dtype dt, const ppq_shape *s,
                           ppq_layout layout, int32_t of)
{
    ppq_value *v = new_value(p, var, dt, s, layout, p->values[of]->storage);
    v->flipped = p->values[of]->flipped;
    v->of = of;
    return v->id;
}

const ppq_tensor *ppq_plan_known(const ppq_plan *p, const ppq_var *v)
{
    return ppq_var_is_const(v) ? &v->value : p->known[v->id].buf ? &p->known[v->id] : NULL;
}

ppq_status ppq_plan_learn(ppq_plan *p, const ppq_var *v)
{
    if (!ppq_dequantizes_constant(v->producer.op) || p->known[v->id].buf)
        return PPQ_OK;
    const ppq_op *op = v->producer.op;
    const ppq_tensor *in[3] = { NULL, NULL, NULL };
    for (int32_t k = 0; k < op->n_in && k < 3; k++)
        in[k] = op->in[k] ? &op->in[k]->value : NULL;
    return ppq_op_eval(op, ppq_graph_opset(p->g, ""), in, &p->known[v->id], p->d);
}

// Constants and feeds come into being when they are asked for.
static int32_t given_value(ppq_plan *p, const ppq_var *v)
{
    const ppq_tensor *known = ppq_plan_known(p, v);
    if (known) {
        ppq_storage *s = new_storage(p, PPQ_STORAGE_CONST);
        s->constant = ppq_tensor_ref(known);
        return new_value(p, v, known->dtype, &known->shape, PPQ_LAYOUT_PLAIN,
                         (int32_t) p->n_storages - 1)
            ->id;
    }
    for (int32_t i = 0; v->is_input && i < p->g->n_inputs; i++)
        if (p->g->inputs[i] == v) {
            new_storage(p, PPQ_STORAGE_FEED)->feed = i;
            return new_value(p, v, p->dtype[v->id], &p->shape[v->id], PPQ_LAYOUT_PLAIN,
                             (int32_t) p->n_storages - 1)
                ->id;
        }
    return PPQ_NO_VALUE;
}

// Packed: 8-bit integers are uint8. Otherwise they are what the graph says.
static bool suits(const ppq_value *v, bool packed)
{
    return packed ? v->dtype != PPQ_DT_I8 : !v->flipped;
}

static int32_t find(const ppq_plan *p, const ppq_var *v, ppq_want want, bool packed)
{
    for (int32_t i = p->first[v->id]; i != PPQ_NO_VALUE; i = p->values[i]->next) {
        const ppq_value *x = p->values[i];
        if (suits(x, packed) && ppq_shape_known(&x->shape) &&
            (want == PPQ_WANT_ANY || x->shape.rank < 3 ||
             (x->layout == PPQ_LAYOUT_PLAIN) == (want == PPQ_WANT_PLAIN)))
            return i;
    }
    return PPQ_NO_VALUE;
}

static ppq_want want_of(ppq_layout layout)
{
    return layout == PPQ_LAYOUT_PLAIN ? PPQ_WANT_PLAIN : PPQ_WANT_LAST;
}

static void belong(ppq_plan *p, int32_t value, const ppq_var *v)
{
    ppq_value *x = p->values[value];
    if (x->var)
        return;
    x->var = v;
    x->tapped = p->first[v->id] == PPQ_NO_VALUE;
    int32_t *at = &p->first[v->id];
    while (*at != PPQ_NO_VALUE)
        at = &p->values[*at]->next;
    *at = value;
}

// The value of a lazy op's output.
static ppq_status lazy_value(ppq_plan *p, const ppq_var *v, ppq_want want, int32_t *out)
{
    const ppq_op *op = v->producer.op;
    ppq_grid g;
    int32_t in;
    if (!ppq_grid_of_op(op, &g))
        return PPQ_ERR_UNSUPPORTED;
    PPQ_TRY(ppq_plan_read(p, op->in[0], PPQ_WANT_ANY, true, &in));
    const ppq_layout have = p->values[in]->layout;
    if (ppq_op_is(op, "QuantizeLinear")) {
        const ppq_layout to = want == PPQ_WANT_ANY    ? have
                              : want == PPQ_WANT_LAST ? PPQ_LAYOUT_CHANNELS_LAST
                                                      : PPQ_LAYOUT_PLAIN;
        PPQ_TRY(ppq_step_quantize(p, op, in, &g, to, out));
        p->values[*out]->flipped = g.flipped;
    } else {
        PPQ_TRY(ppq_step_dequantize(p, op, in, &g, out));
    }
    belong(p, *out, v);
    return PPQ_OK;
}

ppq_status ppq_plan_read(ppq_plan *p, const ppq_var *v, ppq_want want, bool packed, int32_t *out)
{
    int32_t at = find(p, v, want, packed);
    if (at != PPQ_NO_VALUE) {
        *out = at;
        return PPQ_OK;
    }
    at = find(p, v, PPQ_WANT_ANY, packed);
    if (at == PPQ_NO_VALUE)
        at = find(p, v, PPQ_WANT_ANY, !packed);
    if (at == PPQ_NO_VALUE)
        at = p->first[v->id];
    if (at == PPQ_NO_VALUE)
        PPQ_TRY(ppq_plan_learn(p, v));
    if (at == PPQ_NO_VALUE)
        at = given_value(p, v);
    if (at == PPQ_NO_VALUE)
        PPQ_TRY(lazy_value(p, v, want, &at));
    if (p->storages[p->values[at]->storage]->kind == PPQ_STORAGE_HELD) {
        if (p->unmoored[v->id]) {
            *out = at;
            return want == PPQ_WANT_LAST ? PPQ_ERR_UNSUPPORTED : PPQ_OK;
        }
        PPQ_TRY(ppq_step_settle(p, at, p->dtype[v->id], &p->shape[v->id], &at));
        belong(p, at, v);
    }
    if (!suits(p->values[at], packed)) {
        PPQ_TRY(ppq_step_flip(p, at, &at));
        belong(p, at, v);
    }
    if (want != PPQ_WANT_ANY && p->values[at]->shape.rank >= 3 &&
        want_of(p->values[at]->layout) != want) {
        PPQ_TRY(ppq_step_relayout(
            p, at, want == PPQ_WANT_LAST ? PPQ_LAYOUT_CHANNELS_LAST : PPQ_LAYOUT_PLAIN, &at));
        belong(p, at, v);
    }
    *out = at;
    return PPQ_OK;
}

ppq_layout ppq_plan_layout(const ppq_plan *p, const ppq_var *v)
{
    ppq_grid g;
    for (int32_t i = p->first[v->id]; i != PPQ_NO_VALUE; i = p->values[i]->next)
        if (p->values[i]->layout == PPQ_LAYOUT_CHANNELS_LAST)
            return PPQ_LAYOUT_CHANNELS_LAST;
    if (p->first[v->id] != PPQ_NO_VALUE)
        return PPQ_LAYOUT_PLAIN;
    if (v->producer.op && ppq_grid_of_op(v->producer.op, &g))
        return ppq_plan_layout(p, v->producer.op->in[0]);
    return PPQ_LAYOUT_PLAIN;
}

bool ppq_plan_read_by_done_only(const ppq_plan *p, const ppq_var *v, const ppq_op *const *also)
{
    if (v->is_output)
        return false;
    for (int32_t u = 0; u < v->n_uses; u++) {
        const ppq_op *op = v->uses[u].op;
        bool fine = p->done[op->id];
        for (const ppq_op *const *a = also; *a && !fine; a++)
            fine = *a == op;
        ppq_grid g;
        if (!fine && (!ppq_grid_of_op(op, &g) || !ppq_plan_read_by_done_only(p, op->out[0], also)))
            return false;
    }
    return true;
}

// ---- steps ----------------------------------------------------------------------------------

ppq_step *ppq_plan_add_step(ppq_plan *p, const ppq_op *op, const char *kernel,
                            ppq_status (*run)(const ppq_step *s, ppq_call *c), const int32_t *in,
                            int n_in, const int32_t *out, int n_out)
{
    ppq_step *s = ppq_new(p->arena, ppq_step);
    s->op = op;
    s->run = run;
    const size_t n = strlen(kernel);
    memcpy(s->kernel, kernel, PPQ_MIN(n, sizeof(s->kernel) - 1));
    s->in = ppq_new_n(p->arena, int32_t, (size_t) n_in + 1);
    s->out = ppq_new_n(p->arena, int32_t, (size_t) n_out + 1);
    if (n_in)
        memcpy(s->in, in, (size_t) n_in * sizeof(*in));
    if (n_out)
        memcpy(s->out, out, (size_t) n_out * sizeof(*out));
    s->n_in = n_in;
    s->n_out = n_out;
    p->steps = grow(p->steps, p->n_steps, &p->cap_steps);
    for (int i = 0; i < n_out; i++)
        if (out[i] != PPQ_NO_VALUE)
            p->values[out[i]]->writer = (int32_t) p->n_steps;
    p->steps[p->n_steps++] = s;
    return s;
}
