#include <string.h>

#include "core/ext.h"
#include "core/quantfn.h"
#include "core/settings.h"
#include "exporter/tqc_json.h"

// The scale file: all that the TQCs know, by tensor and by op, with what it was made from.
// docs/FORMATS.md describes it, docs/ppq-scales.schema.json checks it.

static void write_tqc(ppq_json_writer *w, const ppq_var *v, const ppq_tqc *t)
{
    ppq_json_open(w, NULL, '{');
    ppq_json_string(w, "tensor", v ? v->name : "");
    if (t)
        ppq_json_tqc(w, t);
    ppq_json_close(w, '}');
}

static void write_op(ppq_json_writer *w, const ppq_op *op)
{
    ppq_json_open(w, NULL, '{');
    ppq_json_string(w, "name", op->name);
    ppq_json_string(w, "type", op->type);
    ppq_json_string(w, "place", ppq_place_name(op->place));
    ppq_json_string(w, "reason", op->place_reason);
    if (op->place == PPQ_PLACE_QUANT) {
        ppq_json_open(w, "inputs", '[');
        for (int32_t k = 0; k < op->n_in; k++)
            write_tqc(w, op->in[k], op->tqc_in[k]);
        ppq_json_close(w, ']');
        ppq_json_open(w, "outputs", '[');
        for (int32_t k = 0; k < op->n_out; k++)
            write_tqc(w, op->out[k], op->tqc_out[k]);
        ppq_json_close(w, ']');
    }
    ppq_json_close(w, '}');
}

// The TQC that quantizes a tensor: its producer's, else the first reader's of its own.
static const ppq_tqc *tensor_tqc(const ppq_var *v)
{
    const ppq_op *p = v->producer.op;
    if (p && p->tqc_out) {
        const ppq_tqc *t = p->tqc_out[v->producer.slot];
        if (ppq_tqc_is_active(t))
            return t;
    }
    for (int32_t u = 0; u < v->n_uses; u++) {
        const ppq_op *op = v->uses[u].op;
        const ppq_tqc *t =
            op->tqc_in && v->uses[u].slot < op->n_in ? op->tqc_in[v->uses[u].slot] : NULL;
        if (t &&
            (ppq_tqc_is_active(t) || t->state == PPQ_QS_BAKED || t->state == PPQ_QS_PASSIVE_BAKED))
            return t;
    }
    return NULL;
}

static void write_tensors(ppq_json_writer *w, const ppq_graph *g)
{
    ppq_json_open(w, "tensors", '{');
    for (size_t i = 0; i < g->n_vars; i++) {
        const ppq_var *v = g->vars[i];
        const ppq_tqc *t = tensor_tqc(v);
        if (!t || !ppq_tqc_n(t))
            continue;
        ppq_json_open(w, v->name, '{');
        ppq_json_bool(w, "constant", ppq_var_is_const(v));
        ppq_json_qfmt(w, t);
        ppq_json_qparams(w, t);
        ppq_json_close(w, '}');
    }
    ppq_json_close(w, '}');
}

static void optional(ppq_json_writer *w, const char *key, const char *value)
{
    if (value)
        ppq_json_string(w, key, value);
}

static void write_list(ppq_json_writer *w, const char *key, const ppq_strings *list)
{
    if (!list->n)
        return;
    ppq_json_open_line(w, key);
    for (size_t i = 0; i < list->n; i++)
        ppq_json_string(w, NULL, list->at[i]);
    ppq_json_close(w, ']');
}

static void write_settings(ppq_json_writer *w, const ppq_export_env *e)
{
    const ppq_settings *s = e->settings;
    ppq_json_open(w, "settings", '{');
    ppq_json_string(w, "platform", e->platform->name);
    ppq_json_string(w, "dispatcher", s && s->dispatcher ? s->dispatcher : e->platform->dispatcher);
    ppq_json_string(w, "method", s && s->method ? s->method : e->platform->observer);
    ppq_json_int(w, "samples", e->n_samples);
    if (s) {
        optional(w, "weight-method", s->weight_method);
        ppq_json_int(w, "weight-bits", s->weight_bits);
        ppq_json_int(w, "batch", s->batch);
        write_list(w, "op-types", &s->op_types);
        write_list(w, "exclude", &s->exclude);
        write_list(w, "pass", &s->pass_args);
        write_list(w, "no-pass", &s->pass_off);
    }
    ppq_json_close(w, '}');
}

static ppq_status write(const ppq_export_env *e)
{
    const ppq_graph *g = e->graph;
    ppq_buf b = { 0 };
    ppq_json_writer w = ppq_json_writer_init(&b);
    char hex[20];
    ppq_buf fp = { 0 };
    ppq_buf_printf(&fp, "%016llx", (unsigned long long) e->fingerprint);
    memcpy(hex, ppq_buf_str(&fp), 17);
    ppq_buf_free(&fp);
    const char *slash = strrchr(g->source, '/');
    ppq_json_open(&w, NULL, '{');
    ppq_json_string(&w, "format", "ppq-scales");
    ppq_json_int(&w, "version", 1);
    ppq_json_string(&w, "generator", "ppq " PPQ_VERSION);
    ppq_json_open(&w, "model", '{');
    ppq_json_string(&w, "file", slash ? slash + 1 : g->source);
    ppq_json_string(&w, "graph", g->name);
    ppq_json_string(&w, "fingerprint", hex);
    ppq_json_close(&w, '}');
    write_settings(&w, e);
    write_tensors(&w, g);
    ppq_json_open(&w, "ops", '[');
    for (size_t i = 0; i < g->n_ops; i++)
        write_op(&w, g->ops[i]);
    ppq_json_close(&w, ']');
    ppq_json_close(&w, '}');
    const ppq_status st = ppq_file_write_text(e->path, &b, e->diag);
    ppq_buf_free(&b);
    return st;
}

const ppq_exporter ppq_exporter_json = {
    .name = "json",
    .summary = "scale file: every tensor's and op's quantization parameters",
    .suffix = ".json",
    .write = write,
};
