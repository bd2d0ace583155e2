#include "quantizer/summary.h"

#include <stdlib.h>
#include <string.h>

#include "core/quantfn.h"
#include "exporter/qdq.h"

// ---- counting -------------------------------------------------------------------------------

void ppq_tally_add(ppq_tally *t, const char *key, size_t n)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->rows[i].key, key) == 0) {
            t->rows[i].n += n;
            return;
        }
    if (t->n < PPQ_COUNT(t->rows)) {
        t->rows[t->n].key = key;
        t->rows[t->n++].n = n;
    }
}

static int by_key(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

void ppq_tally_sort(ppq_tally *t)
{
    qsort(t->rows, t->n, sizeof(t->rows[0]), by_key);
}

size_t ppq_tally_of(const ppq_tally *t, const char *key)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->rows[i].key, key) == 0)
            return t->rows[i].n;
    return 0;
}

size_t ppq_n_at(const ppq_graph *g, ppq_place p)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_ops; i++)
        n += g->ops[i]->place == p;
    return n;
}

ppq_tally *ppq_types_at(const ppq_graph *g, ppq_arena *a, ppq_place p, const char *reason)
{
    ppq_tally *t = ppq_new(a, ppq_tally);
    for (size_t i = 0; i < g->n_ops; i++)
        if (g->ops[i]->place == p && (!reason || strcmp(reason, g->ops[i]->place_reason) == 0))
            ppq_tally_add(t, g->ops[i]->type, 1);
    ppq_tally_sort(t);
    return t;
}

ppq_tally *ppq_reasons_at(const ppq_graph *g, ppq_arena *a, ppq_place p)
{
    ppq_tally *t = ppq_new(a, ppq_tally);
    for (size_t i = 0; i < g->n_ops; i++)
        if (g->ops[i]->place == p)
            ppq_tally_add(t, g->ops[i]->place_reason, 1);
    return t;
}

ppq_weight_sizes ppq_weight_sizes_of(const ppq_graph *g)
{
    ppq_weight_sizes s = { 0 };
    for (size_t i = 0; i < g->n_vars; i++) {
        const ppq_var *v = g->vars[i];
        if (!ppq_var_is_const(v) || !v->n_uses)
            continue;
        const double bytes = (double) ppq_tensor_bytes(&v->value);
        s.params += ppq_shape_numel(&v->shape);
        s.float_bytes += bytes;
        const ppq_op *op = v->uses[0].op;
        const ppq_tqc *t =
            op->tqc_in && v->uses[0].slot < op->n_in ? op->tqc_in[v->uses[0].slot] : NULL;
        const bool stored = t && (t->state == PPQ_QS_BAKED || t->state == PPQ_QS_PASSIVE_BAKED);
        s.stored_bytes +=
            stored ? bytes / 4 * (double) ppq_dtype_size(ppq_qfmt_dtype(&t->fmt)) : bytes;
    }
    return s;
}

// ---- errors ---------------------------------------------------------------------------------

static int by_snr(const void *a, const void *b)
{
    const ppq_layer_error *x = a, *y = b;
    if (x->snr < y->snr || x->snr > y->snr)
        return x->snr < y->snr ? -1 : 1;
    return (x->op->id > y->op->id) - (x->op->id < y->op->id);
}

ppq_layer_error *ppq_layer_errors(const ppq_session *s, bool all, ppq_arena *a, size_t *n)
{
    const ppq_graph *g = s->graph;
    ppq_layer_error *out = ppq_new_n(a, ppq_layer_error, g->n_ops + 1);
    *n = 0;
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        if (op->place != PPQ_PLACE_QUANT || (!all && !ppq_op_has_trait(op, PPQ_OP_COMPUTE)))
            continue;
        const ppq_compare *c = ppq_analysis_op(s->analysis, op);
        if (c)
            out[(*n)++] = (ppq_layer_error){ op, c, ppq_compare_snr(c) };
    }
    qsort(out, *n, sizeof(*out), by_snr);
    return out;
}

// ---- forecast -------------------------------------------------------------------------------

static void count_types(const ppq_graph *g, const ppq_forecast *f, ppq_arena *a, ppq_fused *out)
{
    *out = (ppq_fused){ ppq_new(a, ppq_tally), ppq_new(a, ppq_tally), f->n_quantize,
                        f->n_dequantize,       f->n_avoidable,        f->n_saturating };
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        if (ppq_op_is(op, "QuantizeLinear") || ppq_op_is(op, "DequantizeLinear"))
            continue;
        // The graph goes, its names with it.
        const char *type = ppq_arena_printf(a, "%s", op->type);
        ppq_tally_add(out->types, type, 1);
        if (f->fate[i].integer)
            ppq_tally_add(out->integer, type, 1);
    }
    ppq_tally_sort(out->types);
    ppq_tally_sort(out->integer);
}

bool ppq_fused_of(const ppq_session *s, ppq_arena *a, ppq_fused *out)
{
    ppq_graph *qdq = NULL;
    ppq_forecast f;
    ppq_diag *quiet = ppq_diag_create(NULL, NULL);
    const bool ok = ppq_qdq_graph(s->graph, &qdq, quiet) == PPQ_OK &&
                    ppq_forecast_ort(qdq, a, &f, quiet) == PPQ_OK;
    ppq_diag_destroy(quiet);
    if (ok)
        count_types(qdq, &f, a, out);
    ppq_graph_destroy(qdq);
    return ok;
}
