#include "quantizer/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/quantfn.h"
#include "exporter/forecast.h"
#include "exporter/qdq.h"
#include "passes/rewrite.h"
#include "quantizer/dump.h"
#include "quantizer/init.h"

// ---- counting ------------------------------------------------------------------------------------

// Ops with one key, in order of first appearance: sorted output for few keys without hashing.
typedef struct tally {
    struct {
        const char *key;
        size_t n;
    } rows[512];
    size_t n;
} tally;

static void count(tally *t, const char *key, size_t n)
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

static void sort_tally(tally *t)
{
    qsort(t->rows, t->n, sizeof(t->rows[0]), by_key);
}

static size_t n_at(const ppq_graph *g, ppq_place p)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_ops; i++)
        n += g->ops[i]->place == p;
    return n;
}

static tally *types_at(const ppq_graph *g, ppq_arena *a, ppq_place p, const char *reason)
{
    tally *t = ppq_new(a, tally);
    for (size_t i = 0; i < g->n_ops; i++)
        if (g->ops[i]->place == p && (!reason || strcmp(reason, g->ops[i]->place_reason) == 0))
            count(t, g->ops[i]->type, 1);
    sort_tally(t);
    return t;
}

static void list_types(ppq_buf *b, const tally *t)
{
    for (size_t i = 0; i < t->n; i++)
        ppq_buf_printf(b, "%s%s x%zu", i ? ", " : "", t->rows[i].key, t->rows[i].n);
}

// Parameters and their bytes, float and as they will be stored.
typedef struct weight_sizes {
    int64_t params;
    double float_bytes, stored_bytes;
} weight_sizes;

static weight_sizes sizes_of(const ppq_graph *g)
{
    weight_sizes s = { 0 };
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
        const bool stored =
            t && (t->state == PPQ_QS_BAKED || t->state == PPQ_QS_PASSIVE_BAKED);
        s.stored_bytes += stored ? bytes / 4 * (double) ppq_dtype_size(ppq_qfmt_dtype(&t->fmt))
                                 : bytes;
    }
    return s;
}

// ---- the five worst ------------------------------------------------------------------------------

typedef struct layer_error {
    const ppq_op *op;
    double snr;
} layer_error;

static int by_snr(const void *a, const void *b)
{
    const layer_error *x = a, *y = b;
    if (x->snr < y->snr || x->snr > y->snr)
        return x->snr < y->snr ? -1 : 1;
    return (x->op->id > y->op->id) - (x->op->id < y->op->id);
}

static size_t worst_layers(const ppq_session *s, layer_error *out, size_t cap)
{
    const ppq_graph *g = s->graph;
    layer_error *all = calloc(g->n_ops + 1, sizeof(*all));
    if (!all)
        abort();
    size_t n = 0;
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        const ppq_compare *c =
            op->place == PPQ_PLACE_QUANT && op->out[0] && ppq_op_has_trait(op, PPQ_OP_COMPUTE)
                ? ppq_analysis_var(s->analysis, op->out[0]->id)
                : NULL;
        if (c)
            all[n++] = (layer_error){ op, ppq_compare_snr(c) };
    }
    qsort(all, n, sizeof(*all), by_snr);
    n = PPQ_MIN(n, cap);
    memcpy(out, all, n * sizeof(*out));
    free(all);
    return n;
}

// ---- forecast ------------------------------------------------------------------------------------

typedef struct fused {
    tally *before, *after; // float op types in int8 regions; integer ops they become
    ppq_forecast f;
    ppq_graph *qdq;
} fused;

static bool forecast(const ppq_session *s, ppq_arena *a, fused *out)
{
    *out = (fused){ 0 };
    ppq_diag *quiet = ppq_diag_create(NULL, NULL);
    bool ok = ppq_qdq_graph(s->graph, &out->qdq, quiet) == PPQ_OK &&
              ppq_forecast_ort(out->qdq, a, &out->f, quiet) == PPQ_OK;
    ppq_diag_destroy(quiet);
    if (!ok)
        return false;
    out->before = ppq_new(a, tally);
    out->after = ppq_new(a, tally);
    for (size_t i = 0; i < out->qdq->n_ops; i++) {
        const ppq_op *op = out->qdq->ops[i];
        if (ppq_op_is(op, "QuantizeLinear") || ppq_op_is(op, "DequantizeLinear"))
            continue;
        count(out->before, op->type, 1);
        if (out->f.fate[i].integer)
            count(out->after, op->type, 1);
    }
    sort_tally(out->before);
    sort_tally(out->after);
    return true;
}

static size_t tally_of(const tally *t, const char *key)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->rows[i].key, key) == 0)
            return t->rows[i].n;
    return 0;
}

static void forecast_line(ppq_buf *b, const fused *f)
{
    bool first = true;
    for (size_t i = 0; i < f->after->n; i++) {
        ppq_buf_printf(b, "%s%zu/%zu %s", first ? "" : ", ", f->after->rows[i].n,
                       tally_of(f->before, f->after->rows[i].key), f->after->rows[i].key);
        first = false;
    }
    ppq_buf_printf(b, "%sint8; %zu Q and %zu DQ remain, %zu avoidable", first ? "nothing in " : " ",
                   f->f.n_quantize, f->f.n_dequantize, f->f.n_avoidable);
}

// ---- the closing summary -------------------------------------------------------------------------

static void report_places(const ppq_session *s, ppq_arena *a, ppq_buf *b)
{
    const ppq_graph *g = s->graph;
    ppq_buf_printf(b, "\nops: %zu in int8, %zu in float, %zu shape or index\n",
                   n_at(g, PPQ_PLACE_QUANT), n_at(g, PPQ_PLACE_FP32), n_at(g, PPQ_PLACE_SOI));
    ppq_buf_printf(b, "  int8   ");
    list_types(b, types_at(g, a, PPQ_PLACE_QUANT, NULL));
    ppq_buf_printf(b, "\n");
    tally *reasons = ppq_new(a, tally);
    for (size_t i = 0; i < g->n_ops; i++)
        if (g->ops[i]->place == PPQ_PLACE_FP32)
            count(reasons, g->ops[i]->place_reason, 1);
    for (size_t r = 0; r < reasons->n; r++) {
        ppq_buf_printf(b, "  float  ");
        list_types(b, types_at(g, a, PPQ_PLACE_FP32, reasons->rows[r].key));
        ppq_buf_printf(b, "\n         because %s\n", reasons->rows[r].key);
    }
}

static void report_errors(const ppq_session *s, ppq_buf *b)
{
    const ppq_graph *g = s->graph;
    const int64_t n = ppq_analysis_samples(s->analysis);
    if (!n)
        return;
    ppq_buf_printf(b, "against float, %lld sample%s:\n", (long long) n, n == 1 ? "" : "s");
    for (int32_t i = 0; i < g->n_outputs; i++) {
        const ppq_compare *c = ppq_analysis_var(s->analysis, g->outputs[i]->id);
        if (c)
            ppq_buf_printf(b, "  output %-24s SNR %6.2f dB  cosine %.6f\n", g->outputs[i]->name,
                           ppq_compare_snr(c), ppq_compare_cosine(c));
    }
    layer_error worst[5];
    const size_t k = worst_layers(s, worst, PPQ_COUNT(worst));
    if (k)
        ppq_buf_printf(b, "  worst layers:\n");
    for (size_t i = 0; i < k; i++)
        ppq_buf_printf(b, "    %6.2f dB  %s %s\n", worst[i].snr, worst[i].op->type,
                       worst[i].op->name);
}

static void report_text(const ppq_session *s, ppq_buf *b)
{
    ppq_arena *a = ppq_arena_create("report");
    report_places(s, a, b);
    fused f;
    if (forecast(s, a, &f)) {
        ppq_buf_printf(b, "ONNX Runtime will run: ");
        forecast_line(b, &f);
        ppq_buf_printf(b, "\n");
        ppq_graph_destroy(f.qdq);
    }
    report_errors(s, b);
    const weight_sizes w = sizes_of(s->graph);
    ppq_buf_printf(b, "parameters: %.2f M, %.2f MB in float, %.2f MB quantized\n",
                   (double) w.params / 1e6, w.float_bytes / 1e6, w.stored_bytes / 1e6);
    double total = 0;
    for (int i = 0; i < s->n_phases; i++)
        total += s->phases[i].seconds;
    ppq_buf_printf(b, "time: %.2f s", total);
    for (int i = 0; i < s->n_phases; i++)
        if (s->phases[i].seconds >= 0.01)
            ppq_buf_printf(b, ", %s %.2f", s->phases[i].name, s->phases[i].seconds);
    ppq_buf_printf(b, "\n");
    ppq_arena_destroy(a);
}

static void json_forecast(const ppq_session *s, ppq_arena *a, ppq_json_writer *w)
{
    fused f;
    // A model that is only looked at has nothing to be written.
    if (!s->n_samples || !forecast(s, a, &f))
        return;
    ppq_json_open(w, "onnxruntime_forecast", '{');
    ppq_json_open(w, "ops", '[');
    for (size_t i = 0; i < f.before->n; i++) {
        ppq_json_open(w, NULL, '{');
        ppq_json_string(w, "type", f.before->rows[i].key);
        ppq_json_int(w, "total", (int64_t) f.before->rows[i].n);
        ppq_json_int(w, "int8", (int64_t) tally_of(f.after, f.before->rows[i].key));
        ppq_json_close(w, '}');
    }
    ppq_json_close(w, ']');
    ppq_json_int(w, "quantize_ops", (int64_t) f.f.n_quantize);
    ppq_json_int(w, "dequantize_ops", (int64_t) f.f.n_dequantize);
    ppq_json_int(w, "avoidable", (int64_t) f.f.n_avoidable);
    ppq_json_close(w, '}');
    ppq_graph_destroy(f.qdq);
}

static void json_places(const ppq_graph *g, ppq_json_writer *w)
{
    ppq_json_open(w, "ops", '[');
    for (size_t i = 0; i < g->n_ops; i++) {
        ppq_json_open(w, NULL, '{');
        ppq_json_int(w, "id", (int64_t) i);
        ppq_json_string(w, "name", g->ops[i]->name);
        ppq_json_string(w, "type", g->ops[i]->type);
        ppq_json_string(w, "place", ppq_place_name(g->ops[i]->place));
        ppq_json_string(w, "reason", g->ops[i]->place_reason);
        ppq_json_close(w, '}');
    }
    ppq_json_close(w, ']');
}

static void json_ops(const ppq_graph *g, ppq_buf *b)
{
    ppq_json_writer w = ppq_json_writer_init(b);
    ppq_json_open(&w, NULL, '{');
    json_places(g, &w);
    ppq_json_close(&w, '}');
}

static void report_json(const ppq_session *s, ppq_buf *b)
{
    ppq_arena *a = ppq_arena_create("report");
    const ppq_graph *g = s->graph;
    ppq_json_writer w = ppq_json_writer_init(b);
    ppq_json_open(&w, NULL, '{');
    ppq_json_string(&w, "platform", s->platform->name);
    ppq_json_int(&w, "samples", s->n_samples);
    ppq_json_int(&w, "int8_ops", (int64_t) n_at(g, PPQ_PLACE_QUANT));
    ppq_json_int(&w, "float_ops", (int64_t) n_at(g, PPQ_PLACE_FP32));
    ppq_json_int(&w, "soi_ops", (int64_t) n_at(g, PPQ_PLACE_SOI));
    json_forecast(s, a, &w);
    ppq_json_open(&w, "outputs", '[');
    for (int32_t i = 0; i < g->n_outputs; i++) {
        const ppq_compare *c = ppq_analysis_var(s->analysis, g->outputs[i]->id);
        if (!c)
            continue;
        ppq_json_open(&w, NULL, '{');
        ppq_json_string(&w, "name", g->outputs[i]->name);
        ppq_json_double(&w, "snr_db", ppq_compare_snr(c));
        ppq_json_double(&w, "cosine", ppq_compare_cosine(c));
        ppq_json_close(&w, '}');
    }
    ppq_json_close(&w, ']');
    layer_error worst[5];
    const size_t k = worst_layers(s, worst, PPQ_COUNT(worst));
    ppq_json_open(&w, "worst_layers", '[');
    for (size_t i = 0; i < k; i++) {
        ppq_json_open(&w, NULL, '{');
        ppq_json_string(&w, "op", worst[i].op->name);
        ppq_json_string(&w, "type", worst[i].op->type);
        ppq_json_double(&w, "snr_db", worst[i].snr);
        ppq_json_close(&w, '}');
    }
    ppq_json_close(&w, ']');
    const weight_sizes z = sizes_of(g);
    ppq_json_int(&w, "parameters", z.params);
    ppq_json_int(&w, "bytes_before", (int64_t) z.float_bytes);
    ppq_json_int(&w, "bytes_after", (int64_t) z.stored_bytes);
    ppq_json_open(&w, "seconds", '[');
    for (int i = 0; i < s->n_phases; i++) {
        ppq_json_open(&w, NULL, '{');
        ppq_json_string(&w, "phase", s->phases[i].name);
        ppq_json_double(&w, "seconds", s->phases[i].seconds);
        ppq_json_close(&w, '}');
    }
    ppq_json_close(&w, ']');
    json_places(g, &w);
    ppq_json_close(&w, '}');
    ppq_arena_destroy(a);
}

void ppq_report(const ppq_session *s, bool json, ppq_buf *out)
{
    if (json)
        report_json(s, out);
    else
        report_text(s, out);
}

size_t ppq_report_float_ops(const ppq_session *s, ppq_diag *d)
{
    const ppq_graph *g = s->graph;
    ppq_arena *a = ppq_arena_create("strict");
    bool *can = ppq_new_n(a, bool, g->n_ops + 1);
    const char **why = ppq_new_n(a, const char *, g->n_ops + 1);
    ppq_quantizable_ops(g, s->platform, can, why);
    size_t n = 0;
    for (size_t i = 0; i < g->n_ops; i++)
        if (can[i] && g->ops[i]->place != PPQ_PLACE_QUANT &&
            ppq_op_has_trait(g->ops[i], PPQ_OP_COMPUTE)) {
            n++;
            ppq_warn(d, (ppq_loc){ .stage = "--strict", .op = g->ops[i]->name },
                     "%s '%s' could run in int8 and runs in float: %s", g->ops[i]->type,
                     g->ops[i]->name, g->ops[i]->place_reason);
        }
    ppq_arena_destroy(a);
    return n;
}

// ---- ppq-inspect ---------------------------------------------------------------------------------

// Multiply-accumulates of one op for known shapes; 0 where they are not.
static double macs_of(const ppq_op *op)
{
    if (!ppq_op_has_trait(op, PPQ_OP_COMPUTE) || op->n_in < 2 || !op->in[1] || !op->out[0])
        return 0;
    const ppq_shape *w = &op->in[1]->shape, *x = &op->in[0]->shape;
    const ppq_shape *y = ppq_op_is(op, "ConvTranspose") ? x : &op->out[0]->shape;
    double out = 1, per = 1;
    // An unknown batch counts as one.
    for (int i = 0; i < y->rank; i++)
        out *= y->dim[i] > 0 ? (double) y->dim[i] : 1;
    if (w->rank < 0 || y->rank < 0)
        return 0;
    if (ppq_op_is(op, "Gemm") || ppq_op_is(op, "MatMul")) {
        const int k = ppq_op_attr_int(op, "transB", 0) ? w->rank - 1 : PPQ_MAX(w->rank - 2, 0);
        per = w->rank ? (double) PPQ_MAX(w->dim[k], 1) : 1;
    } else {
        for (int i = 1; i < w->rank; i++)
            per *= (double) PPQ_MAX(w->dim[i], 1);
    }
    return out * per;
}

static void inspect_io(const ppq_graph *g, ppq_buf *b)
{
    char shape[128];
    for (int side = 0; side < 2; side++)
        for (int32_t i = 0; i < (side ? g->n_outputs : g->n_inputs); i++) {
            const ppq_var *v = side ? g->outputs[i] : g->inputs[i];
            ppq_buf_printf(b, "%s %s %s %s\n", side ? "output" : "input ", v->name,
                           ppq_dtype_name(v->dtype),
                           ppq_shape_str(&v->shape, shape, sizeof(shape)));
        }
}

static void inspect_summary(const ppq_session *s, ppq_buf *b)
{
    const ppq_graph *g = s->graph;
    ppq_arena *a = ppq_arena_create("inspect");
    double macs = 0;
    tally *unknown = ppq_new(a, tally);
    for (size_t i = 0; i < g->n_ops; i++) {
        macs += macs_of(g->ops[i]);
        if (!g->ops[i]->def)
            count(unknown, g->ops[i]->type, 1);
    }
    inspect_io(g, b);
    for (int32_t i = 0; i < g->n_opsets; i++)
        ppq_buf_printf(b, "opset  %s %lld\n", g->opsets[i].domain[0] ? g->opsets[i].domain : "ai.onnx",
                       (long long) g->opsets[i].version);
    const weight_sizes w = sizes_of(g);
    ppq_buf_printf(b, "ops    %zu\nparameters %.3f M (%.2f MB)\nMACs   %.1f M\n", g->n_ops,
                   (double) w.params / 1e6, w.float_bytes / 1e6, macs / 1e6);
    report_places(s, a, b);
    if (unknown->n) {
        ppq_buf_printf(b, "  unknown ");
        list_types(b, unknown);
        ppq_buf_printf(b, "\n");
    }
    ppq_arena_destroy(a);
}

static void inspect_ops(const ppq_graph *g, ppq_buf *b)
{
    for (size_t i = 0; i < g->n_ops; i++)
        ppq_buf_printf(b, "%5zu  %-5s  %-20s  %s  (%s)\n", i, ppq_place_name(g->ops[i]->place),
                       g->ops[i]->type, g->ops[i]->name, g->ops[i]->place_reason);
}

static ppq_status inspect_fusion(const ppq_session *s, bool json, ppq_buf *b)
{
    ppq_arena *a = ppq_arena_create("fusion");
    ppq_forecast f = { 0 };
    const ppq_status st = ppq_forecast_ort(s->graph, a, &f, s->diag);
    ppq_json_writer w = ppq_json_writer_init(b);
    if (st == PPQ_OK && json)
        ppq_json_open(&w, NULL, '{');
    tally *t = ppq_new(a, tally);
    for (size_t i = 0; st == PPQ_OK && i < s->graph->n_ops; i++) {
        const ppq_op *op = s->graph->ops[i];
        const bool linear = ppq_op_is(op, "QuantizeLinear") || ppq_op_is(op, "DequantizeLinear");
        if (f.fate[i].becomes[0] && !linear)
            count(t, f.fate[i].becomes, 1);
        if (!json && !linear)
            ppq_buf_printf(b, "%-20s -> %-24s %s%s%s\n", op->type,
                           f.fate[i].becomes[0] ? f.fate[i].becomes : "(absorbed)", op->name,
                           f.fate[i].why_float ? ": float, " : "",
                           f.fate[i].why_float ? f.fate[i].why_float : "");
    }
    if (f.n_quantize)
        count(t, "QuantizeLinear", f.n_quantize);
    if (f.n_dequantize)
        count(t, "DequantizeLinear", f.n_dequantize);
    sort_tally(t);
    if (st == PPQ_OK && json) {
        for (size_t i = 0; i < t->n; i++)
            ppq_json_int(&w, t->rows[i].key, (int64_t) t->rows[i].n);
        ppq_json_close(&w, '}');
    } else if (st == PPQ_OK) {
        ppq_buf_printf(b, "\n");
        list_types(b, t);
        ppq_buf_printf(b, "\n%zu Q and %zu DQ remain, %zu avoidable\n", f.n_quantize, f.n_dequantize,
                       f.n_avoidable);
    }
    ppq_arena_destroy(a);
    return st;
}

ppq_status ppq_inspect(const ppq_session *s, ppq_view view, bool json, ppq_buf *out)
{
    switch (view) {
    case PPQ_VIEW_SUMMARY:
        if (json)
            report_json(s, out);
        else
            inspect_summary(s, out);
        return PPQ_OK;
    case PPQ_VIEW_OPS:
        if (json)
            json_ops(s->graph, out);
        else
            inspect_ops(s->graph, out);
        return PPQ_OK;
    case PPQ_VIEW_DOT:
        ppq_dump_dot(s->graph, out);
        return PPQ_OK;
    case PPQ_VIEW_TQC:
        ppq_dump_text(s->graph, out);
        return PPQ_OK;
    case PPQ_VIEW_FUSION:
        return inspect_fusion(s, json, out);
    }
    return PPQ_ERR_ARG;
}
