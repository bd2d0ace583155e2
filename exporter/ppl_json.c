#include "core/ext.h"
#include "core/json.h"
#include "core/quantfn.h"

// PPLNN's quantization file (quant_param_parser.cc of ppl.nn): the top level holds quant_info and
// op_info only; a reader takes a number's type from its literal, so reals carry a point. TQCs wider
// than 8 bits (biases) have no place in it.

static void write_tensor(ppq_json_writer *w, const ppq_var *v, const ppq_tqc *t)
{
    const ppq_tqc *root = ppq_tqc_root_const(t);
    const bool channels = t->fmt.props & PPQ_Q_PER_CHANNEL;
    ppq_json_open(w, v->name, '{');
    ppq_json_int(w, "bit_width", t->fmt.bits);
    ppq_json_bool(w, "per_channel", channels);
    ppq_json_bool(w, "quant_flag", true);
    ppq_json_bool(w, "sym", (t->fmt.props & PPQ_Q_SYMMETRIC) != 0);
    static const char *const keys[] = { "scale", "zero_point", "tensor_min", "tensor_max" };
    for (int key = 0; key < 4; key++) {
        if (channels)
            ppq_json_open_line(w, keys[key]);
        for (uint32_t c = 0; c < ppq_tqc_n(t); c++) {
            const ppq_qparam p = ppq_tqc_param(t, c);
            const float values[] = { p.scale, p.offset, ((float) p.qmin - p.offset) * p.scale,
                                     ((float) p.qmax - p.offset) * p.scale };
            const char *name = channels ? NULL : keys[key];
            if (key == 1 && !channels)
                ppq_json_int(w, name, (int64_t) p.offset);
            else
                ppq_json_float(w, name, values[key]);
        }
        if (channels)
            ppq_json_close(w, ']');
    }
    ppq_json_int(w, "q_min", (int64_t) t->fmt.qmin);
    ppq_json_int(w, "q_max", (int64_t) t->fmt.qmax);
    ppq_json_int(w, "hash", t->id);
    ppq_json_int(w, "dominator", root->id);
    ppq_json_close(w, '}');
}

// A tensor appears once, with the TQC of its first mention.
static void mention(ppq_json_writer *w, bool *told, const ppq_var *v, const ppq_tqc *t)
{
    if (!v || !t || told[v->id] || t->fmt.bits > 8 || t->state == PPQ_QS_FP32 || !ppq_tqc_n(t))
        return;
    told[v->id] = true;
    write_tensor(w, v, t);
}

static ppq_status write(const ppq_export_env *e)
{
    const ppq_graph *g = e->graph;
    ppq_arena *a = ppq_arena_create("ppl-json");
    bool *told = ppq_new_n(a, bool, g->n_vars + 1);
    ppq_buf b = { 0 };
    ppq_json_writer w = ppq_json_writer_init(&b);
    ppq_json_open(&w, NULL, '{');
    ppq_json_open(&w, "quant_info", '{');
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        if (op->place != PPQ_PLACE_QUANT)
            continue;
        for (int32_t k = 0; k < op->n_in; k++)
            mention(&w, told, op->in[k], op->tqc_in[k]);
        for (int32_t k = 0; k < op->n_out; k++)
            mention(&w, told, op->out[k], op->tqc_out[k]);
    }
    ppq_json_close(&w, '}');
    ppq_json_open(&w, "op_info", '{');
    for (size_t i = 0; i < g->n_ops; i++)
        if (g->ops[i]->place == PPQ_PLACE_QUANT) {
            ppq_json_open(&w, g->ops[i]->name, '{');
            ppq_json_string(&w, "data_type", "INT8");
            ppq_json_close(&w, '}');
        }
    ppq_json_close(&w, '}');
    ppq_json_close(&w, '}');
    const ppq_status st = ppq_file_write_text(e->path, &b, e->diag);
    ppq_buf_free(&b);
    ppq_arena_destroy(a);
    return st;
}

const ppq_exporter ppq_exporter_ppl_json = {
    .name = "ppl-json",
    .summary = "PPLNN's quantization parameters, to be used with the onnx format",
    .suffix = ".json",
    .write = write,
};
