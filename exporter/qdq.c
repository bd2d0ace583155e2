#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ext.h"
#include "core/quantfn.h"
#include "exporter/onnx_writer.h"
#include "exporter/qdq.h"

// ONNX with QuantizeLinear/DequantizeLinear pairs, placed where the simulation quantizes:
//  - behind an op whose output TQC is active;
//  - behind an op that only moved quantized values, so that a runtime sees pairs on both sides of
//    it and runs it on integers (requantizing a value of the grid gives the value back);
//  - on an edge whose reader quantizes for itself.
// Constants become integers with a DequantizeLinear. ReLU and Clip disappear where the integer
// range clamps exactly as they do.

typedef struct writer {
    ppq_graph *g; // a clone, edited here
    ppq_diag *d;
    const ppq_tqc **grid;    // per var id of the clone: the root whose grid its values lie on
    ppq_var **dequantized;   // per var id: what readers take instead of it; NULL: the var itself
    ppq_var **scale, **zero; // per TQC id: its constants, made once
} writer;

static const ppq_tqc *active_root(const ppq_tqc *t)
{
    if (!t || t->state == PPQ_QS_FP32 || t->state == PPQ_QS_PASSIVE_INIT)
        return NULL;
    const ppq_tqc *r = ppq_tqc_root_const(t);
    return r->n && r->state != PPQ_QS_FP32 ? r : NULL;
}

static ppq_status scale_constants(writer *w, const ppq_tqc *t, const char *base, ppq_var **scale,
                                  ppq_var **zero)
{
    const ppq_tqc *r = ppq_tqc_root_const(t);
    // Constants are kept per root; formats within a group are the same.
    *scale = w->scale[r->id];
    *zero = w->zero[r->id];
    if (*scale)
        return PPQ_OK;
    const ppq_dtype dt = ppq_qfmt_dtype(&t->fmt);
    const ppq_shape shape = t->fmt.props & PPQ_Q_PER_CHANNEL && r->n > 1 ? ppq_shape_1d(r->n)
                                                                         : (ppq_shape){ .rank = 0 };
    ppq_tensor s, z;
    PPQ_TRY(ppq_tensor_alloc(&s, PPQ_DT_F32, &shape));
    memcpy(ppq_f32(&s), r->scale, r->n * sizeof(float));
    *scale = ppq_graph_add_const(w->g, ppq_arena_printf(w->g->arena, "%s_scale", base), &s);
    w->scale[r->id] = *scale;
    // A 32-bit zero point has no place in the standard: it is zero by definition.
    if (dt == PPQ_DT_I32)
        return PPQ_OK;
    PPQ_TRY(ppq_tensor_alloc(&z, dt, &shape));
    for (uint32_t i = 0; i < r->n; i++) {
        if (ppq_dtype_size(dt) == 1)
            ((int8_t *) ppq_tensor_data(&z))[i] = (int8_t) (int) r->offset[i];
        else
            ((int16_t *) ppq_tensor_data(&z))[i] = (int16_t) (int) r->offset[i];
    }
    *zero = ppq_graph_add_const(w->g, ppq_arena_printf(w->g->arena, "%s_zero_point", base), &z);
    w->zero[r->id] = *zero;
    return PPQ_OK;
}

static void set_axis(writer *w, ppq_op *op, const ppq_tqc *t)
{
    if (t->fmt.props & PPQ_Q_PER_CHANNEL && ppq_tqc_n(t) > 1)
        ppq_op_set_int(w->g, op, "axis", t->fmt.axis);
}

// A Q or DQ op reading `x`; its output is a new var unless `into` is given.
static ppq_status add_linear(writer *w, const char *type, const ppq_tqc *t, ppq_var *x,
                             const char *base, ppq_var *into, ppq_var **out)
{
    ppq_var *scale, *zero;
    PPQ_TRY(scale_constants(w, t, base, &scale, &zero));
    const bool quantize = type[0] == 'Q';
    ppq_op *op = ppq_graph_add_op(
        w->g, "", type, ppq_arena_printf(w->g->arena, "%s_%s", base, type), zero ? 3 : 2, 1);
    ppq_graph_set_input(w->g, op, 0, x);
    ppq_graph_set_input(w->g, op, 1, scale);
    if (zero)
        ppq_graph_set_input(w->g, op, 2, zero);
    set_axis(w, op, t);
    ppq_var *y = into;
    if (!y)
        y = ppq_graph_add_var(w->g, ppq_arena_printf(w->g->arena, "%s_%s", base,
                                                     quantize ? "quantized" : "dequantized"));
    y->dtype = quantize ? ppq_qfmt_dtype(&t->fmt) : PPQ_DT_F32;
    y->shape = x->shape;
    ppq_graph_set_output(w->g, op, 0, y);
    *out = y;
    return PPQ_OK;
}

static ppq_status add_pair(writer *w, const ppq_tqc *t, ppq_var *x, const char *base, ppq_var *into,
                           ppq_var **out)
{
    ppq_var *q;
    PPQ_TRY(add_linear(w, "QuantizeLinear", t, x, base, NULL, &q));
    return add_linear(w, "DequantizeLinear", t, q, base, into, out);
}

// ---- constants ------------------------------------------------------------------------------

static ppq_status quantize_constant(writer *w, ppq_op *op, int32_t k)
{
    const ppq_tqc *t = op->tqc_in[k];
    ppq_var *v = op->in[k];
    ppq_tensor q;
    const ppq_status st = ppq_tqc_quantize(t, &v->value, &q);
    if (st != PPQ_OK)
        return ppq_fail(w->d, st, (ppq_loc){ .stage = "export", .op = op->name, .var = v->name },
                        "constant '%s' and its quantization parameters do not fit together",
                        v->name);
    ppq_var *c =
        ppq_graph_add_const(w->g, ppq_arena_printf(w->g->arena, "%s_quantized", v->name), &q);
    ppq_var *y;
    PPQ_TRY(add_linear(w, "DequantizeLinear", t, c, v->name, NULL, &y));
    ppq_graph_set_input(w->g, op, k, y);
    return PPQ_OK;
}

static ppq_status quantize_constants(writer *w, ppq_op *op)
{
    for (int32_t k = 0; k < op->n_in; k++) {
        const ppq_tqc *t = op->tqc_in[k];
        if (t && (t->state == PPQ_QS_BAKED || t->state == PPQ_QS_PASSIVE_BAKED) &&
            ppq_var_is_const(op->in[k]))
            PPQ_TRY(quantize_constant(w, op, k));
    }
    return PPQ_OK;
}

// ---- activations ----------------------------------------------------------------------------

// Whether clamping to [lo, hi] before quantizing changes nothing: both bounds lie at or beyond the
// ends of the integer range.
static bool range_clamps(const ppq_tqc *t, double lo, double hi)
{
    const ppq_qparam p = ppq_tqc_param(t, 0);
    const double at_lo = ppq_round(lo / (double) p.scale, p.rounding) + (double) p.offset;
    const double at_hi = ppq_round(hi / (double) p.scale, p.rounding) + (double) p.offset;
    return at_lo <= p.qmin && at_hi >= p.qmax;
}

static bool clamp_bounds(const ppq_op *op, double *lo, double *hi)
{
    *lo = ppq_op_is(op, "Relu") ? 0 : -HUGE_VAL;
    *hi = HUGE_VAL;
    if (ppq_op_is(op, "Relu"))
        return true;
    for (int32_t k = 1; k < op->n_in && k < 3; k++)
        if (op->in[k] && !ppq_const_scalar(&op->in[k]->value, k == 1 ? lo : hi))
            return false;
    return ppq_op_is(op, "Clip");
}

// Removes an activation that the integer range stands for; the op before it writes its output.
static bool absorb_activation(writer *w, ppq_op *act)
{
    double lo, hi;
    const ppq_var *x = act->in[0];
    ppq_op *prev = x ? x->producer.op : NULL;
    const ppq_tqc *r = active_root(act->tqc_out[0]);
    if (!prev || !r || r->n != 1 || prev->place != PPQ_PLACE_QUANT || x->is_output ||
        x->n_uses != 1 || prev->n_out != 1 || !prev->tqc_out[0] ||
        ppq_tqc_root_const(prev->tqc_out[0]) != r || prev->tqc_out[0]->state != PPQ_QS_OVERLAPPED)
        return false;
    if (!clamp_bounds(act, &lo, &hi) || !range_clamps(act->tqc_out[0], lo, hi))
        return false;
    ppq_var *out = act->out[0];
    ppq_tqc *t = act->tqc_out[0];
    ppq_graph_set_output(w->g, act, 0, NULL);
    ppq_graph_set_output(w->g, prev, 0, NULL);
    ppq_graph_set_output(w->g, prev, 0, out);
    prev->tqc_out[0] = t;
    ppq_graph_remove_op(w->g, act);
    return true;
}

// The grid an op leaves its output on: its own TQC, or its input's when it only moves values.
static const ppq_tqc *output_grid(const writer *w, const ppq_op *op, int32_t k)
{
    const ppq_tqc *t = op->tqc_out[k];
    if (!t)
        return NULL;
    if (ppq_tqc_is_active(t))
        return t;
    const ppq_tqc *r = active_root(t);
    if (t->state != PPQ_QS_OVERLAPPED || !r || !op->in[0] || !op->tqc_in[0] ||
        ppq_tqc_root_const(op->tqc_in[0]) != r)
        return NULL;
    // Its input must really be on that grid, be it by the producer or by this very edge.
    const bool edge = ppq_tqc_is_active(op->tqc_in[0]);
    const ppq_tqc *have = w->grid[op->in[0]->id];
    return edge || (have && ppq_tqc_root_const(have) == r) ? t : NULL;
}

static bool same_params(const ppq_tqc *a, const ppq_tqc *b)
{
    const ppq_tqc *x = ppq_tqc_root_const(a), *y = ppq_tqc_root_const(b);
    return x == y || (x->n == y->n && ppq_qfmt_equal(&a->fmt, &b->fmt) &&
                      memcmp(x->scale, y->scale, x->n * sizeof(float)) == 0 &&
                      memcmp(x->offset, y->offset, x->n * sizeof(float)) == 0);
}

// Inserts the pair behind a producer. Every reader takes the dequantized tensor; a graph output
// keeps its name on it.
static ppq_status quantize_output(writer *w, ppq_op *op, int32_t k, const ppq_tqc *t)
{
    ppq_var *v = op->out[k], *y;
    w->grid[v->id] = t;
    if (!v->is_output) {
        y = ppq_graph_add_var(w->g, ppq_arena_printf(w->g->arena, "%s_dequantized", v->name));
        ppq_graph_replace_uses(w->g, v, y);
        w->dequantized[v->id] = y;
        w->grid[y->id] = t;
        return add_pair(w, t, v, v->name, y, &y);
    }
    ppq_var *raw = ppq_graph_add_var(w->g, ppq_arena_printf(w->g->arena, "%s_float", v->name));
    raw->dtype = v->dtype;
    raw->shape = v->shape;
    ppq_graph_set_output(w->g, op, k, NULL);
    ppq_graph_set_output(w->g, op, k, raw);
    return add_pair(w, t, raw, v->name, v, &y);
}

// Pairs on edges of one var, shared by readers with the same parameters.
typedef struct edge_pair {
    const ppq_tqc *t;
    ppq_var *y;
} edge_pair;

static ppq_status quantize_edges(writer *w, ppq_var *v)
{
    const int32_t n = v->n_uses;
    ppq_use *uses = calloc((size_t) n + 1, sizeof(*uses));
    edge_pair *pairs = calloc((size_t) n + 1, sizeof(*pairs));
    if (!uses || !pairs)
        abort();
    if (n)
        memcpy(uses, v->uses, (size_t) n * sizeof(*uses));
    int32_t n_pairs = 0;
    ppq_status st = PPQ_OK;
    for (int32_t u = 0; u < n && st == PPQ_OK; u++) {
        ppq_op *op = uses[u].op;
        if (op->place != PPQ_PLACE_QUANT || uses[u].slot >= op->n_in || !op->tqc_in)
            continue;
        const ppq_tqc *t = op->tqc_in[uses[u].slot];
        if (!ppq_tqc_is_active(t) || (w->grid[v->id] && same_params(w->grid[v->id], t)))
            continue;
        int32_t i = 0;
        while (i < n_pairs && !same_params(pairs[i].t, t))
            i++;
        if (i == n_pairs) {
            ppq_var *from = w->dequantized[v->id] ? w->dequantized[v->id] : v;
            st = add_pair(w, t, from, v->name, NULL, &pairs[i].y);
            pairs[i].t = t;
            n_pairs++;
        }
        if (st == PPQ_OK)
            ppq_graph_set_input(w->g, op, uses[u].slot, pairs[i].y);
    }
    free(uses);
    free(pairs);
    return st;
}

// ---- the whole graph ------------------------------------------------------------------------

static ppq_status insert_pairs(writer *w, ppq_op **order, size_t n)
{
    for (int32_t i = 0; i < w->g->n_inputs; i++)
        PPQ_TRY(quantize_edges(w, w->g->inputs[i]));
    for (size_t i = 0; i < n; i++) {
        ppq_op *op = order[i];
        if (op->dead)
            continue;
        ppq_var **out = op->out;
        for (int32_t k = 0; k < op->n_out; k++) {
            ppq_var *v = out[k];
            if (!v)
                continue;
            // Edge pairs first look at who reads the var itself, before the output pair takes
            // the readers over.
            const ppq_tqc *t = op->place == PPQ_PLACE_QUANT ? output_grid(w, op, k) : NULL;
            w->grid[v->id] = t;
            if (t)
                PPQ_TRY(quantize_output(w, op, k, t));
            PPQ_TRY(quantize_edges(w, w->dequantized[v->id] ? w->dequantized[v->id] : v));
        }
    }
    return PPQ_OK;
}

static ppq_status transform(writer *w)
{
    ppq_arena *a = ppq_arena_create("qdq");
    ppq_op **order;
    size_t n;
    ppq_status st = ppq_graph_topo(w->g, a, &order, &n, w->d);
    // New vars get ids beyond the present ones: a pair adds two, on a producer or on an edge.
    size_t room = w->g->n_vars + 4 * (size_t) w->g->n_tqcs + 64;
    for (size_t i = 0; i < w->g->n_vars; i++)
        room += 4 * ((size_t) w->g->vars[i]->n_uses + 1);
    w->grid = ppq_new_n(a, const ppq_tqc *, room);
    w->dequantized = ppq_new_n(a, ppq_var *, room);
    w->scale = ppq_new_n(a, ppq_var *, (size_t) w->g->n_tqcs + 1);
    w->zero = ppq_new_n(a, ppq_var *, (size_t) w->g->n_tqcs + 1);
    for (size_t i = 0; st == PPQ_OK && i < n; i++)
        if (order[i]->place == PPQ_PLACE_QUANT)
            st = quantize_constants(w, order[i]);
    for (size_t i = 0; st == PPQ_OK && i < n; i++)
        if (!order[i]->dead && order[i]->place == PPQ_PLACE_QUANT &&
            ppq_op_has_trait(order[i], PPQ_OP_ACTIVATION))
            (void) absorb_activation(w, order[i]);
    if (st == PPQ_OK)
        st = insert_pairs(w, order, n);
    ppq_arena_destroy(a);
    if (st == PPQ_OK) {
        ppq_graph_compact(w->g);
        st = ppq_graph_verify(w->g, w->d);
    }
    return st;
}

ppq_status ppq_qdq_graph(const ppq_graph *g, ppq_graph **out, ppq_diag *d)
{
    writer w = { .d = d };
    PPQ_TRY(ppq_graph_clone(g, &w.g, d));
    const ppq_status st = transform(&w);
    if (st != PPQ_OK) {
        ppq_graph_destroy(w.g);
        return st;
    }
    *out = w.g;
    return PPQ_OK;
}

ppq_status ppq_qdq_check(const ppq_export_env *e)
{
    ppq_status st = PPQ_OK;
    for (size_t i = 0; i < e->graph->n_ops; i++) {
        const ppq_op *op = e->graph->ops[i];
        for (int32_t k = 0; op->place == PPQ_PLACE_QUANT && k < op->n_in; k++) {
            const ppq_tqc *t = op->tqc_in[k];
            if (!t || t->state == PPQ_QS_FP32)
                continue;
            if (t->fmt.rounding != PPQ_ROUND_HALF_EVEN || !(t->fmt.props & PPQ_Q_LINEAR))
                st = ppq_fail(e->diag, PPQ_ERR_UNSUPPORTED,
                              (ppq_loc){ .stage = "export", .op = op->name },
                              "QuantizeLinear rounds half to even; input %d of '%s' asks for %s", k,
                              op->name, ppq_rounding_name(t->fmt.rounding));
        }
    }
    return st;
}

static ppq_status write(const ppq_export_env *e)
{
    ppq_graph *g;
    PPQ_TRY(ppq_qdq_graph(e->graph, &g, e->diag));
    const ppq_onnx_write_opts o = { .external = e->graph->had_external_data };
    const ppq_status st = ppq_onnx_write_file(g, e->path, &o, e->diag);
    ppq_graph_destroy(g);
    return st;
}

const ppq_exporter ppq_exporter_qdq = {
    .name = "qdq",
    .summary = "ONNX with QuantizeLinear/DequantizeLinear pairs (default)",
    .suffix = ".onnx",
    .check = ppq_qdq_check,
    .write = write,
};
