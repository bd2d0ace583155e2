#include "quantizer/report.h"

#include <string.h>

#include "core/json.h"
#include "passes/rewrite.h"
#include "quantizer/dump.h"
#include "quantizer/init.h"
#include "quantizer/summary.h"

// Layers that the summary names.
enum { N_WORST = 5 };

// ---- the closing summary --------------------------------------------------------------------

static void list_types(ppq_buf *b, const ppq_tally *t)
{
    for (size_t i = 0; i < t->n; i++)
        ppq_buf_printf(b, "%s%s x%zu", i ? ", " : "", t->rows[i].key, t->rows[i].n);
}

static void saturation_line(ppq_buf *b, size_t n)
{
    if (n)
        ppq_buf_printf(b,
                       "\n%zu op%s can sum wrongly on x86 CPUs without VNNI (see avoid-saturation)",
                       n, n == 1 ? "" : "s");
}

static void forecast_line(ppq_buf *b, const ppq_fused *f)
{
    const ppq_tally *t = f->integer;
    for (size_t i = 0; i < t->n; i++)
        ppq_buf_printf(b, "%s%zu/%zu %s", i ? ", " : "", t->rows[i].n,
                       ppq_tally_of(f->types, t->rows[i].key), t->rows[i].key);
    ppq_buf_printf(b, "%sint8; %zu Q and %zu DQ remain, %zu avoidable", t->n ? " " : "nothing in ",
                   f->n_quantize, f->n_dequantize, f->n_avoidable);
    saturation_line(b, f->n_saturating);
}

static void report_places(const ppq_session *s, ppq_arena *a, ppq_buf *b)
{
    const ppq_graph *g = s->graph;
    ppq_buf_printf(b, "\nops: %zu in int8, %zu in float, %zu shape or index\n",
                   ppq_n_at(g, PPQ_PLACE_QUANT), ppq_n_at(g, PPQ_PLACE_FP32),
                   ppq_n_at(g, PPQ_PLACE_SOI));
    ppq_buf_printf(b, "  int8   ");
    list_types(b, ppq_types_at(g, a, PPQ_PLACE_QUANT, NULL));
    ppq_buf_printf(b, "\n");
    const ppq_tally *reasons = ppq_reasons_at(g, a, PPQ_PLACE_FP32);
    for (size_t r = 0; r < reasons->n; r++) {
        ppq_buf_printf(b, "  float  ");
        list_types(b, ppq_types_at(g, a, PPQ_PLACE_FP32, reasons->rows[r].key));
        ppq_buf_printf(b, "\n         because %s\n", reasons->rows[r].key);
    }
}

static void report_errors(const ppq_session *s, ppq_arena *a, ppq_buf *b)
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
    size_t k;
    const ppq_layer_error *worst = ppq_layer_errors(s, false, a, &k);
    k = PPQ_MIN(k, N_WORST);
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
    ppq_fused f;
    if (ppq_fused_of(s, a, &f)) {
        ppq_buf_printf(b, "ONNX Runtime will run: ");
        forecast_line(b, &f);
        ppq_buf_printf(b, "\n");
    }
    report_errors(s, a, b);
    const ppq_weight_sizes w = ppq_weight_sizes_of(s->graph);
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
    ppq_fused f;
    // A model that is only looked at has nothing to be written.
    if (!s->n_samples || !ppq_fused_of(s, a, &f))
        return;
    ppq_json_open(w, "onnxruntime_forecast", '{');
    ppq_json_open(w, "ops", '[');
    for (size_t i = 0; i < f.types->n; i++) {
        ppq_json_open(w, NULL, '{');
        ppq_json_string(w, "type", f.types->rows[i].key);
        ppq_json_int(w, "total", (int64_t) f.types->rows[i].n);
        ppq_json_int(w, "int8", (int64_t) ppq_tally_of(f.integer, f.types->rows[i].key));
        ppq_json_close(w, '}');
    }
    ppq_json_close(w, ']');
    ppq_json_int(w, "quantize_ops", (int64_t) f.n_quantize);
    ppq_json_int(w, "dequantize_ops", (int64_t) f.n_dequantize);
    ppq_json_int(w, "avoidable", (int64_t) f.n_avoidable);
    ppq_json_int(w, "saturating", (int64_t) f.n_saturating);
    ppq_json_close(w, '}');
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
    ppq_json_int(&w, "int8_ops", (int64_t) ppq_n_at(g, PPQ_PLACE_QUANT));
    ppq_json_int(&w, "float_ops", (int64_t) ppq_n_at(g, PPQ_PLACE_FP32));
    ppq_json_int(&w, "soi_ops", (int64_t) ppq_n_at(g, PPQ_PLACE_SOI));
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
    size_t k;
    const ppq_layer_error *worst = ppq_layer_errors(s, false, a, &k);
    k = PPQ_MIN(k, N_WORST);
    ppq_json_open(&w, "worst_layers", '[');
    for (size_t i = 0; i < k; i++) {
        ppq_json_open(&w, NULL, '{');
        ppq_json_string(&w, "op", worst[i].op->name);
        ppq_json_string(&w, "type", worst[i].op->type);
        ppq_json_double(&w, "snr_db", worst[i].snr);
        ppq_json_close(&w, '}');
    }
    ppq_json_close(&w, ']');
    const ppq_weight_sizes z = ppq_weight_sizes_of(g);
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

// ---- ppq-inspect ----------------------------------------------------------------------------

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

// What both forms of the summary tell beyond the graph's own fields.
typedef struct overview {
    double macs;
    ppq_tally *types, *unknown;
    bool placed;
} overview;

static overview look_over(const ppq_graph *g, ppq_arena *a)
{
    overview o = { 0, ppq_new(a, ppq_tally), ppq_new(a, ppq_tally), false };
    for (size_t i = 0; i < g->n_ops; i++) {
        o.macs += macs_of(g->ops[i]);
        o.placed |= g->ops[i]->place != PPQ_PLACE_UNSET;
        ppq_tally_add(o.types, g->ops[i]->type, 1);
        if (!g->ops[i]->def)
            ppq_tally_add(o.unknown, g->ops[i]->type, 1);
    }
    ppq_tally_sort(o.types);
    return o;
}

static const char *domain_name(const ppq_opset *o)
{
    return o->domain[0] ? o->domain : "ai.onnx";
}

static void inspect_summary(const ppq_session *s, ppq_buf *b)
{
    const ppq_graph *g = s->graph;
    ppq_arena *a = ppq_arena_create("inspect");
    const overview o = look_over(g, a);
    inspect_io(g, b);
    for (int32_t i = 0; i < g->n_opsets; i++)
        ppq_buf_printf(b, "opset  %s %lld\n", domain_name(&g->opsets[i]),
                       (long long) g->opsets[i].version);
    const ppq_weight_sizes w = ppq_weight_sizes_of(g);
    ppq_buf_printf(b, "ops    %zu\nparameters %.3f M (%.2f MB)\nMACs   %.1f M\n", g->n_ops,
                   (double) w.params / 1e6, w.float_bytes / 1e6, o.macs / 1e6);
    if (o.placed) {
        report_places(s, a, b);
    } else {
        ppq_buf_printf(b, "\n  ");
        list_types(b, o.types);
        ppq_buf_printf(b, "\n");
    }
    if (o.unknown->n) {
        ppq_buf_printf(b, "  unknown ");
        list_types(b, o.unknown);
        ppq_buf_printf(b, "\n");
    }
    ppq_arena_destroy(a);
}

static void json_io(ppq_json_writer *w, const char *key, ppq_var *const *v, int32_t n)
{
    char shape[128];
    ppq_json_open(w, key, '[');
    for (int32_t i = 0; i < n; i++) {
        ppq_json_open(w, NULL, '{');
        ppq_json_string(w, "name", v[i]->name);
        ppq_json_string(w, "dtype", ppq_dtype_name(v[i]->dtype));
        ppq_json_string(w, "shape", ppq_shape_str(&v[i]->shape, shape, sizeof(shape)));
        ppq_json_close(w, '}');
    }
    ppq_json_close(w, ']');
}

static void json_tally(ppq_json_writer *w, const char *key, const ppq_tally *t)
{
    ppq_json_open(w, key, '{');
    for (size_t i = 0; i < t->n; i++)
        ppq_json_int(w, t->rows[i].key, (int64_t) t->rows[i].n);
    ppq_json_close(w, '}');
}

static void json_summary(const ppq_session *s, ppq_buf *b)
{
    const ppq_graph *g = s->graph;
    ppq_arena *a = ppq_arena_create("inspect");
    const overview o = look_over(g, a);
    const ppq_weight_sizes z = ppq_weight_sizes_of(g);
    ppq_json_writer w = ppq_json_writer_init(b);
    ppq_json_open(&w, NULL, '{');
    json_io(&w, "inputs", g->inputs, g->n_inputs);
    json_io(&w, "outputs", g->outputs, g->n_outputs);
    ppq_json_open(&w, "opsets", '{');
    for (int32_t i = 0; i < g->n_opsets; i++)
        ppq_json_int(&w, domain_name(&g->opsets[i]), g->opsets[i].version);
    ppq_json_close(&w, '}');
    ppq_json_int(&w, "parameters", z.params);
    ppq_json_int(&w, "bytes", (int64_t) z.float_bytes);
    ppq_json_int(&w, "macs", (int64_t) o.macs);
    json_tally(&w, "types", o.types);
    json_tally(&w, "unknown_types", o.unknown);
    ppq_json_string(&w, "platform", s->platform->name);
    ppq_json_int(&w, "int8_ops", (int64_t) ppq_n_at(g, PPQ_PLACE_QUANT));
    ppq_json_int(&w, "float_ops", (int64_t) ppq_n_at(g, PPQ_PLACE_FP32));
    ppq_json_int(&w, "soi_ops", (int64_t) ppq_n_at(g, PPQ_PLACE_SOI));
    json_places(g, &w);
    ppq_json_close(&w, '}');
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
    ppq_tally *t = ppq_new(a, ppq_tally);
    for (size_t i = 0; st == PPQ_OK && i < s->graph->n_ops; i++) {
        const ppq_op *op = s->graph->ops[i];
        const bool linear = ppq_op_is(op, "QuantizeLinear") || ppq_op_is(op, "DequantizeLinear");
        if (f.fate[i].becomes[0] && !linear)
            ppq_tally_add(t, f.fate[i].becomes, 1);
        if (!json && !linear)
            ppq_buf_printf(b, "%-20s -> %-24s %s%s%s%s\n", op->type,
                           f.fate[i].becomes[0] ? f.fate[i].becomes : "(absorbed)", op->name,
                           f.fate[i].why_float ? ": float, " : "",
                           f.fate[i].why_float ? f.fate[i].why_float : "",
                           f.fate[i].saturates ? ": can saturate" : "");
    }
    if (f.n_quantize)
        ppq_tally_add(t, "QuantizeLinear", f.n_quantize);
    if (f.n_dequantize)
        ppq_tally_add(t, "DequantizeLinear", f.n_dequantize);
    ppq_tally_sort(t);
    if (st == PPQ_OK && json) {
        for (size_t i = 0; i < t->n; i++)
            ppq_json_int(&w, t->rows[i].key, (int64_t) t->rows[i].n);
        ppq_json_close(&w, '}');
    } else if (st == PPQ_OK) {
        ppq_buf_printf(b, "\n");
        list_types(b, t);
        ppq_buf_printf(b, "\n%zu Q and %zu DQ remain, %zu avoidable", f.n_quantize, f.n_dequantize,
                       f.n_avoidable);
        saturation_line(b, f.n_saturating);
        ppq_buf_printf(b, "\n");
    }
    ppq_arena_destroy(a);
    return st;
}

ppq_status ppq_inspect(const ppq_session *s, ppq_view view, bool json, ppq_buf *out)
{
    switch (view) {
    case PPQ_VIEW_SUMMARY:
        if (json)
            json_summary(s, out);
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
        if (json)
            ppq_dump_json(s->graph, out);
        else
            ppq_dump_text(s->graph, out);
        return PPQ_OK;
    case PPQ_VIEW_FUSION:
        return inspect_fusion(s, json, out);
    }
    return PPQ_ERR_ARG;
}
