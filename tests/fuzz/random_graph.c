#include "tests/fuzz/random_graph.h"

#include <math.h>
#include <string.h>

#include "executor/exec.h"
#include "executor/ops/convert.h"

enum { MAX_OPS = 14, MAX_NUMEL = 1 << 14 };

void fuzz_require(bool ok, const char *what, const char *name, const ppq_diag *d)
{
    if (ok)
        return;
    fprintf(stderr, "fuzz_engine: %s: %s\n", name, what);
    for (size_t i = 0; d && i < ppq_diag_count(d, PPQ_SEV_NOTE); i++)
        fprintf(stderr, "  %s\n", ppq_diag_at(d, i)->msg);
    abort();
}

uint32_t fuzz_pick(fuzz_bytes *b, uint32_t n)
{
    uint32_t v = 0;
    for (uint32_t top = 1; top < n && b->n; top *= 256, b->n--)
        v = v << 8 | *b->p++;
    return v % n;
}

// ---- tensors --------------------------------------------------------------------------------

void *fuzz_list(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);
    fuzz_require(p != NULL, "no memory", "list", NULL);
    return p;
}

ppq_tensor fuzz_tensor(ppq_dtype dt, const ppq_shape *s)
{
    ppq_tensor t;
    fuzz_require(ppq_tensor_alloc(&t, dt, s) == PPQ_OK, "no memory", "tensor", NULL);
    memset(ppq_tensor_data(&t), 0, ppq_tensor_bytes(&t));
    return t;
}

ppq_tensor fuzz_normal(fuzz_bytes *b, const ppq_shape *s, float scale)
{
    ppq_tensor t = fuzz_tensor(PPQ_DT_F32, s);
    for (int64_t i = 0; i < ppq_shape_numel(s); i++)
        ppq_f32(&t)[i] = scale * (float) ppq_rng_normal(&b->values);
    return t;
}

ppq_var *fuzz_const(fuzz_graph *f, ppq_tensor t)
{
    return ppq_graph_add_const(f->g, NULL, &t);
}

ppq_var *fuzz_scalar(fuzz_graph *f, float v)
{
    const ppq_shape s = { .rank = 0 };
    ppq_tensor t = fuzz_tensor(PPQ_DT_F32, &s);
    *ppq_f32(&t) = v;
    return fuzz_const(f, t);
}

ppq_var *fuzz_int_list(fuzz_graph *f, const int64_t *v, int n)
{
    const ppq_shape s = ppq_shape_1d(n);
    ppq_tensor t = fuzz_tensor(PPQ_DT_I64, &s);
    memcpy(ppq_i64(&t), v, (size_t) n * sizeof(*v));
    return fuzz_const(f, t);
}

double fuzz_magnitude(const ppq_tensor *t)
{
    double top = 0;
    for (int64_t i = 0; t && t->buf && i < ppq_shape_numel(&t->shape); i++) {
        double v;
        ppq_load_f64(t, i, 1, &v);
        top = isfinite(v) ? fmax(top, fabs(v)) : (double) INFINITY;
    }
    return top;
}

// ---- ops ------------------------------------------------------------------------------------

ppq_op *fuzz_op(fuzz_graph *f, const char *type, int n_out, ppq_var *const *in, int n_in)
{
    ppq_op *op = ppq_graph_add_op(f->g, "", type, NULL, n_in, n_out);
    op->def = ppq_op_def_find("", type);
    fuzz_require(op->def != NULL, "there is no such operator", type, NULL);
    for (int k = 0; k < n_in; k++)
        ppq_graph_set_input(f->g, op, k, in[k]);
    for (int k = 0; k < n_out; k++)
        ppq_graph_set_output(f->g, op, k, ppq_graph_add_var(f->g, NULL));
    return op;
}

const ppq_tensor *fuzz_value(const fuzz_graph *f, const ppq_var *v)
{
    for (size_t i = 0; i < f->n_vars; i++)
        if (f->vars[i] == v)
            return &f->values[i];
    return ppq_var_is_const(v) ? &v->value : NULL;
}

static void remember(fuzz_graph *f, ppq_var *v, ppq_tensor t)
{
    v->shape = t.shape;
    v->dtype = t.dtype;
    if (f->n_vars < FUZZ_MAX_VARS) {
        f->vars[f->n_vars] = v;
        f->values[f->n_vars++] = t;
    } else {
        ppq_tensor_unref(&t);
    }
}

bool fuzz_keep(fuzz_graph *f, ppq_op *op)
{
    const ppq_tensor *in[FUZZ_MAX_SLOTS] = { NULL };
    ppq_tensor out[FUZZ_MAX_SLOTS] = { { .dtype = PPQ_DT_NONE } };
    bool ok = true;
    for (int k = 0; k < op->n_in; k++)
        ok = ok && (!op->in[k] || (in[k] = fuzz_value(f, op->in[k])) != NULL);
    ok = ok && ppq_op_eval(op, ppq_graph_opset(f->g, ""), in, out, f->d) == PPQ_OK;
    for (int k = 0; ok && k < op->n_out; k++)
        ok = ppq_shape_numel(&out[k].shape) <= MAX_NUMEL;
    for (int k = 0; k < op->n_out; k++) {
        if (ok)
            remember(f, op->out[k], out[k]);
        else
            ppq_tensor_unref(&out[k]);
    }
    if (!ok)
        ppq_graph_remove_op(f->g, op);
    return ok;
}

// ---- grids ----------------------------------------------------------------------------------

static ppq_var *zero_point(fuzz_graph *f, ppq_dtype dt)
{
    static const uint8_t ends[] = { 0, 255, 128, 127, 1 };
    const ppq_shape s = { .rank = 0 };
    ppq_tensor t = fuzz_tensor(dt, &s);
    const uint32_t how = fuzz_pick(f->b, 8);
    *(uint8_t *) ppq_tensor_data(&t) =
        how < PPQ_COUNT(ends) ? ends[how] : (uint8_t) fuzz_pick(f->b, 256);
    return fuzz_const(f, t);
}

// Mostly one that suits the values.
static float scale_for(fuzz_graph *f, const ppq_tensor *t)
{
    static const float odd[] = { 1e-8f, 1e8f, 1e-4f, 1.0f, 1e-30f, 0.5f };
    const double top = fuzz_magnitude(t), factor = 0.25 * (double) (1 + fuzz_pick(f->b, 8));
    const uint32_t how = fuzz_pick(f->b, 24);
    if (how < PPQ_COUNT(odd))
        return odd[how];
    return top > 1e-30 && top < 1e30 ? (float) (top / 127 * factor) : 0.05f;
}

void fuzz_add_pair(fuzz_graph *f)
{
    const ppq_dtype dt = fuzz_pick(f->b, 2) ? PPQ_DT_U8 : PPQ_DT_I8;
    const size_t at = f->n_vars - 1;
    ppq_var *scale = fuzz_scalar(f, scale_for(f, &f->values[at])), *zero = zero_point(f, dt);
    ppq_op *q = OP(f, "QuantizeLinear", f->vars[at], scale, zero);
    if (!fuzz_keep(f, q))
        return;
    ppq_var *integers = q->out[0];
    if (fuzz_pick(f->b, 16) == 0)
        ppq_graph_mark_output(f->g, integers);
    for (int n = fuzz_pick(f->b, 8) ? 1 : 2; n > 0; n--)
        (void) fuzz_keep(f, OP(f, "DequantizeLinear", integers, scale, zero));
}

void fuzz_repeat_pair(fuzz_graph *f, const ppq_var *x)
{
    const ppq_op *dq = x->producer.op;
    if (!dq || !ppq_op_is(dq, "DequantizeLinear") || ppq_var_is_const(dq->in[0])) {
        fuzz_add_pair(f);
        return;
    }
    ppq_op *q = OP(f, "QuantizeLinear", f->vars[f->n_vars - 1], dq->in[1], dq->in[2]);
    if (fuzz_keep(f, q))
        (void) fuzz_keep(f, OP(f, "DequantizeLinear", q->out[0], dq->in[1], dq->in[2]));
}

ppq_var *fuzz_weights(fuzz_graph *f, const ppq_shape *s, int axis)
{
    const bool centred = fuzz_pick(f->b, 8) == 0;
    const int64_t n = fuzz_pick(f->b, 3) ? s->dim[axis] : 1;
    const ppq_shape per = ppq_shape_1d(n);
    ppq_tensor q = fuzz_tensor(centred ? PPQ_DT_U8 : PPQ_DT_I8, s);
    ppq_tensor scale = fuzz_tensor(PPQ_DT_F32, &per);
    uint8_t *v = ppq_tensor_data(&q);
    for (int64_t i = 0; i < ppq_shape_numel(s); i++)
        v[i] = (uint8_t) ((int) (ppq_rng_u64(&f->b->values) % 127) - 63 + (centred ? 128 : 0));
    for (int64_t i = 0; i < n; i++)
        ppq_f32(&scale)[i] = 0.002f * (float) (1 + i % 7) * (fuzz_pick(f->b, 32) ? 1 : 1e4f);
    ppq_var *in[] = { fuzz_const(f, q), fuzz_const(f, scale), NULL };
    if (centred || fuzz_pick(f->b, 2)) {
        ppq_tensor zero = fuzz_tensor(centred ? PPQ_DT_U8 : PPQ_DT_I8, &per);
        memset(ppq_tensor_data(&zero), centred ? 128 : 0, ppq_tensor_bytes(&zero));
        in[2] = fuzz_const(f, zero);
    }
    ppq_op *dq = fuzz_op(f, "DequantizeLinear", 1, in, in[2] ? 3 : 2);
    ppq_op_set_int(f->g, dq, "axis", axis);
    return fuzz_keep(f, dq) && fuzz_value(f, dq->out[0]) ? dq->out[0] : NULL;
}

ppq_var *fuzz_bias(fuzz_graph *f, int64_t n)
{
    const ppq_shape s = ppq_shape_1d(n);
    const uint32_t how = fuzz_pick(f->b, 3);
    if (how == 0)
        return NULL;
    if (how == 1)
        return fuzz_const(f, fuzz_normal(f->b, &s, 0.3f));
    ppq_tensor t = fuzz_tensor(PPQ_DT_I32, &s);
    for (int64_t i = 0; i < n; i++)
        ((int32_t *) ppq_tensor_data(&t))[i] =
            (int32_t) (ppq_rng_u64(&f->b->values) % 20000) - 10000;
    ppq_op *dq = OP(f, "DequantizeLinear", fuzz_const(f, t), fuzz_scalar(f, 1e-4f));
    return fuzz_keep(f, dq) && fuzz_value(f, dq->out[0]) ? dq->out[0] : NULL;
}

// ---- the graph ------------------------------------------------------------------------------

static void add_input(fuzz_graph *f)
{
    ppq_shape s = { .rank = (int) PICK(f->b, 4, 4, 4, 3, 2, 5) };
    for (int i = 0; i < s.rank; i++)
        s.dim[i] = i == 0   ? PICK(f->b, 1, 1, 2, 0)
                   : i == 1 ? PICK(f->b, 8, 4, 3, 1, 16, 0)
                            : PICK(f->b, 6, 5, 8, 1, 12, 3);
    ppq_var *v = ppq_graph_add_var(f->g, NULL);
    v->dtype = PPQ_DT_F32;
    v->shape = s;
    ppq_graph_mark_input(f->g, v);
    remember(f, v, fuzz_normal(f->b, &s, 1));
    if (fuzz_pick(f->b, 8))
        fuzz_add_pair(f);
}

void fuzz_build(fuzz_graph *f)
{
    static const int64_t opsets[] = { 13, 17, 21 };
    ppq_graph_set_opset(f->g, "", opsets[fuzz_pick(f->b, PPQ_COUNT(opsets))]);
    add_input(f);
    for (int i = 0; i < MAX_OPS && f->b->n; i++)
        fuzz_add_layer(f);
    for (size_t i = 0; i < f->n_vars; i++)
        if (!f->vars[i]->n_uses && f->vars[i]->producer.op && !f->vars[i]->is_output)
            ppq_graph_mark_output(f->g, f->vars[i]);
    ppq_graph_compact(f->g);
}
