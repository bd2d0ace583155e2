#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/quantfn.h"
#include "quantizer/html.h"
#include "quantizer/report.h"
#include "quantizer/summary.h"

// The page of --report. What grows with the model is cut to these numbers, the worst layers first.
enum {
    MOST_ROWS = 2000,
    MOST_HISTOGRAMS = 240,
    MOST_WEIGHTS = 120,
    MOST_BARS = 24,
    MOST_COLUMNS = 128, // of a picture of a weight
};

typedef struct page {
    ppq_buf *b;
    const ppq_session *s;
    const ppq_graph *g;
    ppq_arena *a;
    const ppq_layer_error *errors; // the worst first
    size_t n_errors;
    double *snr; // per op id; infinite where nothing was compared
} page;

static void left_out(const page *p, size_t shown, size_t all, const char *what)
{
    if (shown < all)
        ppq_buf_printf(p->b,
                       "<p class=\"note\">%zu of %zu %s are shown, those of the layers with the "
                       "largest errors; the scale file holds all.</p>\n",
                       shown, all, what);
}

// ---- what there is --------------------------------------------------------------------------

static const char *or_default(const char *chosen, const char *platforms)
{
    return chosen ? chosen : platforms;
}

static void facts_of_settings(const page *p)
{
    const ppq_settings *o = p->s->settings;
    const ppq_platform *x = p->s->platform;
    ppq_html_fact(p->b, "Platform", "%s: %s", x->name, x->summary);
    ppq_html_fact(p->b, "Dispatcher", "%s", or_default(o->dispatcher, x->dispatcher));
    ppq_html_fact(p->b, "Calibration", "%s, %lld samples", or_default(o->method, x->observer),
                  (long long) p->s->n_samples);
    ppq_html_fact(p->b, "Weights", "%d bits, %s", o->weight_bits,
                  or_default(o->weight_method, "the platform's calibration"));
    ppq_html_fact(p->b, "Bias correction", "%s", o->bias_correction ? "on" : "off");
    ppq_html_fact(p->b, "Rescue of ruined ops", "%s", o->rescue ? "on" : "off");
    ppq_html_fact(p->b, "SNR that outputs keep", "%d dB", o->rescue ? o->target_snr : 0);
    const struct {
        const char *what;
        const ppq_strings *list;
    } lists[] = { { "Only types", &o->op_types },
                  { "Excluded", &o->exclude },
                  { "Passes asked for", &o->pass_args },
                  { "Passes left out", &o->pass_off } };
    for (size_t k = 0; k < PPQ_COUNT(lists); k++)
        for (size_t i = 0; i < lists[k].list->n; i++)
            ppq_html_fact(p->b, lists[k].what, "%s", lists[k].list->at[i]);
}

static void write_summary(const page *p)
{
    const ppq_graph *g = p->g;
    const ppq_weight_sizes w = ppq_weight_sizes_of(g);
    ppq_buf_printf(p->b, "<table>\n");
    ppq_html_fact(p->b, "Model", "%s", g->source);
    ppq_html_fact(p->b, "Graph", "%s", g->name ? g->name : "");
    ppq_html_fact(p->b, "Ops", "%zu in int8, %zu in float, %zu shape or index",
                  ppq_n_at(g, PPQ_PLACE_QUANT), ppq_n_at(g, PPQ_PLACE_FP32),
                  ppq_n_at(g, PPQ_PLACE_SOI));
    ppq_html_fact(p->b, "Parameters", "%.2f M; %.2f MB in float, %.2f MB quantized",
                  (double) w.params / 1e6, w.float_bytes / 1e6, w.stored_bytes / 1e6);
    for (int32_t i = 0; i < PPQ_MIN(g->n_outputs, MOST_BARS); i++) {
        const ppq_compare *c = ppq_analysis_var(p->s->analysis, g->outputs[i]->id);
        if (c)
            ppq_html_fact(p->b, "Output", "%s: SNR %.2f dB, cosine %.6f", g->outputs[i]->name,
                          ppq_compare_snr(c), ppq_compare_cosine(c));
    }
    facts_of_settings(p);
    ppq_html_fact(p->b, "Written by", "ppq %s", PPQ_VERSION);
    ppq_buf_printf(p->b, "</table>\n");
}

static void types_cell(const page *p, const ppq_tally *t)
{
    ppq_buf text = { 0 };
    for (size_t i = 0; i < t->n; i++)
        ppq_buf_printf(&text, "%s%s x%zu", i ? ", " : "", t->rows[i].key, t->rows[i].n);
    ppq_html_cell(p->b, ppq_buf_str(&text));
    ppq_buf_free(&text);
}

static void write_places(const page *p)
{
    static const struct {
        ppq_place place;
        const char *name;
    } places[] = { { PPQ_PLACE_QUANT, "int8" },
                   { PPQ_PLACE_FP32, "float" },
                   { PPQ_PLACE_SOI, "shape or index" } };
    ppq_html_section(p->b, "places", "Where ops run, and why");
    ppq_html_table_open(p->b, "place|#ops|why|types");
    for (size_t k = 0; k < PPQ_COUNT(places); k++) {
        const ppq_tally *why = ppq_reasons_at(p->g, p->a, places[k].place);
        for (size_t r = 0; r < PPQ_MIN(why->n, MOST_BARS); r++) {
            ppq_html_row(p->b);
            ppq_html_cell(p->b, places[k].name);
            ppq_html_number(p->b, "%.0f", (double) why->rows[r].n);
            ppq_html_cell(p->b, why->rows[r].key);
            types_cell(p, ppq_types_at(p->g, p->a, places[k].place, why->rows[r].key));
        }
    }
    ppq_html_table_close(p->b);
}

static void write_forecast(const page *p)
{
    ppq_fused f;
    if (!ppq_fused_of(p->s, p->a, &f))
        return;
    ppq_html_section(p->b, "forecast", "What ONNX Runtime will run on integers");
    ppq_html_table_open(p->b, "type|#ops|#on integers");
    for (size_t i = 0; i < f.types->n; i++) {
        ppq_html_row(p->b);
        ppq_html_cell(p->b, f.types->rows[i].key);
        ppq_html_number(p->b, "%.0f", (double) f.types->rows[i].n);
        ppq_html_number(p->b, "%.0f", (double) ppq_tally_of(f.integer, f.types->rows[i].key));
    }
    ppq_html_table_close(p->b);
    ppq_buf_printf(p->b,
                   "<p>%zu QuantizeLinear and %zu DequantizeLinear remain, %zu avoidable.</p>\n",
                   f.n_quantize, f.n_dequantize, f.n_avoidable);
}

// ---- errors ---------------------------------------------------------------------------------

// One bar per layer, as long as its SNR; the worst on top.
static void draw_worst(const page *p)
{
    const size_t n = PPQ_MIN(p->n_errors, MOST_BARS);
    double most = 1;
    for (size_t i = 0; i < n; i++)
        most = PPQ_MAX(most, fabs(p->errors[i].snr));
    ppq_buf_printf(p->b,
                   "<svg viewBox=\"0 0 900 %zu\" role=\"img\" aria-label=\"SNR of the worst "
                   "layers\">\n",
                   20 * n + 4);
    for (size_t i = 0; i < n; i++) {
        const ppq_layer_error *e = &p->errors[i];
        ppq_buf_printf(p->b,
                       "<rect class=\"%s\" x=\"0\" y=\"%zu\" width=\"%.1f\" height=\"15\"/>"
                       "<text x=\"%.1f\" y=\"%zu\">%.1f dB &#160;",
                       e->snr < 10 ? "cut" : "bar", 20 * i + 2, 400 * fabs(e->snr) / most,
                       400 * fabs(e->snr) / most + 6, 20 * i + 13, e->snr);
        ppq_html_text(p->b, e->op->type);
        ppq_buf_printf(p->b, " ");
        ppq_html_text(p->b, e->op->name);
        ppq_buf_printf(p->b, "</text>\n");
    }
    ppq_buf_printf(p->b, "</svg>\n");
}

static void layer_row(const page *p, const ppq_op *op, const ppq_compare *c)
{
    ppq_html_row(p->b);
    ppq_html_number(p->b, "%.0f", (double) op->id);
    ppq_html_cell(p->b, op->type);
    ppq_html_cell(p->b, op->name);
    ppq_html_cell(p->b, ppq_place_name(op->place));
    if (c) {
        ppq_html_number(p->b, "%.2f", ppq_compare_snr(c));
        ppq_html_number(p->b, "%.6f", ppq_compare_cosine(c));
        ppq_html_number(p->b, "%.4g", c->noise / (double) c->n);
    } else {
        for (int k = 0; k < 3; k++)
            ppq_html_cell(p->b, "");
    }
    ppq_html_cell(p->b, op->place_reason ? op->place_reason : "");
}

// All ops in order; of a large model those with the largest errors.
static void layer_table(const page *p)
{
    const bool all = p->g->n_ops <= MOST_ROWS;
    ppq_html_table_open(p->b, "#id|type|name|place|#SNR dB|#cosine|#MSE|why there");
    for (size_t i = 0; all && i < p->g->n_ops; i++)
        layer_row(p, p->g->ops[i], ppq_analysis_op(p->s->analysis, p->g->ops[i]));
    const size_t n = all ? p->g->n_ops : PPQ_MIN(p->n_errors, MOST_ROWS);
    for (size_t i = 0; !all && i < n; i++)
        layer_row(p, p->errors[i].op, p->errors[i].compare);
    ppq_html_table_close(p->b);
    left_out(p, n, p->g->n_ops, "ops");
}

static void write_errors(const page *p)
{
    const int64_t n = ppq_analysis_samples(p->s->analysis);
    ppq_html_section(p->b, "layers", "Layers, and their errors against float");
    if (n)
        ppq_buf_printf(p->b,
                       "<p>Simulated on %lld samples, each layer behind all that are quantized "
                       "before it. The worst:</p>\n",
                       (long long) n);
    else
        ppq_buf_printf(p->b, "<p>Nothing was compared (--analyse 0).</p>\n");
    if (p->n_errors)
        draw_worst(p);
    layer_table(p);
}

// ---- activations ----------------------------------------------------------------------------

// A picture's horizontal axis.
typedef struct scale {
    double lo, hi;
    int width;
} scale;

static double at(const scale *x, double v)
{
    return (v - x->lo) / (x->hi - x->lo) * x->width;
}

// Logarithmic in the count, so that a spike at zero hides nothing: one decade is a fifth.
static double bar_height(float share)
{
    return share > 0 ? 80 * PPQ_MAX(0.02, 1 + log10((double) share) / 5) : 0;
}

static void draw_bins(const page *p, const ppq_histogram *h, const scale *x)
{
    const double lo = (double) h->range.min;
    const double step = ((double) h->range.max - lo) / PPQ_HISTOGRAM_BINS;
    ppq_buf_printf(p->b, "<path class=\"bar\" d=\"");
    for (int i = 0; i < PPQ_HISTOGRAM_BINS; i++)
        if (h->share[i] > 0)
            ppq_buf_printf(p->b, "M%.1f 90V%.1fH%.1fV90", at(x, lo + i * step),
                           90 - bar_height(h->share[i]), at(x, lo + (i + 1) * step));
    ppq_buf_printf(p->b, "\"/>\n");
}

static void draw_line(const page *p, const scale *x, double v, const char *class)
{
    ppq_buf_printf(p->b, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"4\" y2=\"90\"/>\n", class,
                   at(x, v), at(x, v));
}

// How much of all values lies outside [lo, hi].
static double clipped(const ppq_histogram *h, double lo, double hi)
{
    const double first = (double) h->range.min;
    const double step = ((double) h->range.max - first) / PPQ_HISTOGRAM_BINS;
    double inside = 0;
    for (int i = 0; i < PPQ_HISTOGRAM_BINS; i++) {
        const double a = first + i * step, b = a + step;
        const double part = PPQ_MAX(0, PPQ_MIN(b, hi) - PPQ_MAX(a, lo));
        inside += step > 0 ? (double) h->share[i] * part / step : (double) h->share[i];
    }
    return PPQ_MAX(0, 1 - inside);
}

static void draw_activation(const page *p, const ppq_histogram *h)
{
    const ppq_qparam q = ppq_tqc_param(h->tqc, 0);
    const double lo = (q.qmin - (double) q.offset) * (double) q.scale;
    const double hi = (q.qmax - (double) q.offset) * (double) q.scale;
    scale x = { PPQ_MIN(lo, (double) h->range.min), PPQ_MAX(hi, (double) h->range.max), 340 };
    if (!(x.hi > x.lo))
        x.hi = x.lo + 1;
    ppq_buf_printf(p->b,
                   "<figure><svg viewBox=\"0 0 340 106\" role=\"img\" aria-label=\"histogram"
                   "\">\n<rect class=\"range\" x=\"%.1f\" y=\"4\" width=\"%.1f\" "
                   "height=\"86\"/>\n",
                   at(&x, lo), at(&x, hi) - at(&x, lo));
    draw_bins(p, h, &x);
    draw_line(p, &x, lo, "clip");
    draw_line(p, &x, hi, "clip");
    draw_line(p, &x, 0, "line");
    ppq_buf_printf(p->b,
                   "<text x=\"0\" y=\"103\">%.4g</text><text x=\"340\" y=\"103\" "
                   "text-anchor=\"end\">%.4g</text></svg>\n<figcaption><b>",
                   x.lo, x.hi);
    ppq_html_text(p->b, h->var->name);
    ppq_buf_printf(p->b, "</b> of ");
    ppq_html_text(p->b, h->op->name);
    ppq_buf_printf(p->b,
                   "<br/>scale %.6g, zero point %.0f, %u bits; clips to [%.4g, %.4g], seen "
                   "[%.4g, %.4g], %.3g %% outside</figcaption></figure>\n",
                   (double) q.scale, (double) q.offset, (unsigned) h->tqc->fmt.bits, lo, hi,
                   (double) h->range.min, (double) h->range.max, 100 * clipped(h, lo, hi));
}

// Indices of the `most` whose ops have the largest errors, ascending.
typedef struct ranked {
    double snr;
    size_t index;
} ranked;

static int by_error(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->snr < y->snr || x->snr > y->snr)
        return x->snr < y->snr ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static int by_index(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static size_t select_worst(ranked *r, size_t n, size_t most)
{
    qsort(r, n, sizeof(*r), by_error);
    n = PPQ_MIN(n, most);
    qsort(r, n, sizeof(*r), by_index);
    return n;
}

static void write_activations(const page *p)
{
    const ppq_histograms *h = &p->s->histograms;
    ranked *r = ppq_new_n(p->a, ranked, h->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++)
        if (ppq_tqc_n(h->at[i].tqc) && h->at[i].range.count)
            r[n++] = (ranked){ p->snr[h->at[i].op->id], i };
    const size_t shown = select_worst(r, n, MOST_HISTOGRAMS);
    ppq_html_section(p->b, "activations", "Activations");
    ppq_buf_printf(p->b,
                   "<p class=\"note\">Values seen in calibration; heights are logarithmic, over "
                   "five decades. Shaded: the range that integers cover, between its two ends; "
                   "the thin line is zero.</p>\n<div class=\"grid\">\n");
    for (size_t i = 0; i < shown; i++)
        draw_activation(p, &h->at[r[i].index]);
    ppq_buf_printf(p->b, "</div>\n");
    left_out(p, shown, n, "activations");
}

// ---- weights --------------------------------------------------------------------------------

typedef struct weight {
    const ppq_op *op;
    const ppq_var *var;
    const ppq_tqc *tqc;
} weight;

// Baked constants of 8 bits or fewer: weights, and not biases.
static size_t collect_weights(const page *p, weight *w, ranked *r)
{
    size_t n = 0;
    for (size_t i = 0; i < p->g->n_ops; i++) {
        const ppq_op *op = p->g->ops[i];
        for (int32_t k = 0; op->place == PPQ_PLACE_QUANT && k < op->n_in; k++) {
            const ppq_tqc *t = op->tqc_in[k];
            if (!t || t->state != PPQ_QS_BAKED || t->fmt.bits > 8 || !ppq_tqc_n(t) ||
                !ppq_var_is_const(op->in[k]) || op->in[k]->dtype != PPQ_DT_F32)
                continue;
            r[n] = (ranked){ p->snr[i], n };
            w[n++] = (weight){ op, op->in[k], t };
        }
    }
    return n;
}

static size_t count_weights(const ppq_graph *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_ops; i++)
        n += (size_t) g->ops[i]->n_in;
    return n;
}

// The range of each of `columns` groups of neighbouring channels: lo[columns], hi[columns].
static void ranges(const weight *w, int64_t channels, int64_t columns, float *lo, float *hi)
{
    const ppq_shape *s = &w->var->shape;
    int64_t inner = 1;
    const int axis = channels > 1 ? w->tqc->fmt.axis : 0;
    for (int i = channels > 1 ? axis + 1 : 0; i < s->rank; i++)
        inner *= s->dim[i];
    const int64_t n = ppq_shape_numel(s), per = (channels + columns - 1) / columns;
    const float *x = ppq_f32(&w->var->value);
    for (int64_t i = 0; i < n; i++) {
        const int64_t c = (i / PPQ_MAX(inner, 1)) % channels / per;
        lo[c] = PPQ_MIN(lo[c], x[i]);
        hi[c] = PPQ_MAX(hi[c], x[i]);
    }
}

static void draw_columns(const page *p, const weight *w, int64_t channels, int64_t columns)
{
    const int64_t per = (channels + columns - 1) / columns;
    float *lo = ppq_new_n(p->a, float, (size_t) columns);
    float *hi = ppq_new_n(p->a, float, (size_t) columns);
    ranges(w, channels, columns, lo, hi);
    double most = 0;
    for (int64_t c = 0; c < channels; c++) {
        const ppq_qparam q = ppq_tqc_param(w->tqc, (uint32_t) c);
        most = PPQ_MAX(most, (double) q.scale *
                                 PPQ_MAX(q.qmax - (double) q.offset, (double) q.offset - q.qmin));
    }
    const double step = 340.0 / (double) columns, unit = most > 0 ? 44 / most : 0;
    ppq_buf_printf(p->b, "<path class=\"range\" d=\"");
    for (int64_t c = 0; c < columns; c++) {
        const ppq_qparam q = ppq_tqc_param(w->tqc, (uint32_t) PPQ_MIN(c * per, channels - 1));
        ppq_buf_printf(
            p->b, "M%.1f %.1fH%.1fV%.1fH%.1f", (double) c * step,
            45 - unit * (q.qmax - (double) q.offset) * (double) q.scale, (double) (c + 1) * step,
            45 - unit * (q.qmin - (double) q.offset) * (double) q.scale, (double) c * step);
    }
    ppq_buf_printf(p->b, "\"/>\n<path class=\"bar\" d=\"");
    for (int64_t c = 0; c < columns; c++)
        ppq_buf_printf(p->b, "M%.1f %.1fH%.1fV%.1fH%.1f", (double) c * step + 0.1 * step,
                       45 - unit * (double) hi[c], (double) c * step + 0.9 * step,
                       45 - unit * (double) lo[c], (double) c * step + 0.1 * step);
    ppq_buf_printf(p->b, "\"/>\n<text x=\"0\" y=\"103\">%.4g</text>\n", most);
}

static void draw_weight(const page *p, const weight *w)
{
    const int64_t channels = (int64_t) ppq_tqc_n(w->tqc);
    const int64_t per = (channels + MOST_COLUMNS - 1) / MOST_COLUMNS;
    char shape[128];
    ppq_buf_printf(p->b, "<figure><svg viewBox=\"0 0 340 106\" role=\"img\" aria-label=\"range per "
                         "channel\">\n");
    draw_columns(p, w, channels, (channels + per - 1) / per);
    ppq_buf_printf(p->b, "</svg>\n<figcaption><b>");
    ppq_html_text(p->b, w->var->name);
    ppq_buf_printf(p->b, "</b> of ");
    ppq_html_text(p->b, w->op->name);
    ppq_buf_printf(p->b, "<br/>%s, %lld scale%s",
                   ppq_shape_str(&w->var->shape, shape, sizeof(shape)), (long long) channels,
                   channels == 1 ? "" : "s");
    if (per > 1)
        ppq_buf_printf(p->b, "; a column is %lld channels", (long long) per);
    ppq_buf_printf(p->b, "</figcaption></figure>\n");
}

static void write_weights(const page *p)
{
    const size_t room = count_weights(p->g) + 1;
    weight *w = ppq_new_n(p->a, weight, room);
    ranked *r = ppq_new_n(p->a, ranked, room);
    const size_t n = collect_weights(p, w, r), shown = select_worst(r, n, MOST_WEIGHTS);
    ppq_html_section(p->b, "weights", "Weights");
    ppq_buf_printf(p->b, "<p class=\"note\">Smallest to largest value of every channel, as stored; "
                         "shaded is what its integers could reach. A channel that is far smaller "
                         "than the shade around it wastes bits; the number is the largest reach."
                         "</p>\n<div class=\"grid\">\n");
    for (size_t i = 0; i < shown; i++)
        draw_weight(p, &w[r[i].index]);
    ppq_buf_printf(p->b, "</div>\n");
    left_out(p, shown, n, "weights");
}

// ---- time -----------------------------------------------------------------------------------

static void write_times(const page *p)
{
    ppq_html_section(p->b, "time", "Time");
    ppq_html_table_open(p->b, "phase|#seconds");
    double total = 0;
    for (int i = 0; i < p->s->n_phases; i++) {
        total += p->s->phases[i].seconds;
        ppq_html_row(p->b);
        ppq_html_cell(p->b, p->s->phases[i].name);
        ppq_html_number(p->b, "%.3f", p->s->phases[i].seconds);
    }
    ppq_html_table_close(p->b);
    ppq_buf_printf(p->b, "<p>%.2f seconds in all.</p>\n", total);
}

void ppq_report_html(const ppq_session *s, ppq_buf *out)
{
    ppq_arena *a = ppq_arena_create("report");
    page p = { .b = out, .s = s, .g = s->graph, .a = a };
    p.errors = ppq_layer_errors(s, true, a, &p.n_errors);
    p.snr = ppq_new_n(a, double, s->graph->n_ops + 1);
    for (size_t i = 0; i < s->graph->n_ops; i++)
        p.snr[i] = HUGE_VAL;
    for (size_t i = 0; i < p.n_errors; i++)
        p.snr[p.errors[i].op->id] = p.errors[i].snr;
    const char *slash = strrchr(s->graph->source, '/');
    ppq_html_begin(out, slash ? slash + 1 : s->graph->source);
    write_summary(&p);
    write_places(&p);
    write_forecast(&p);
    write_errors(&p);
    write_activations(&p);
    write_weights(&p);
    write_times(&p);
    ppq_html_end(out);
    ppq_arena_destroy(a);
}
