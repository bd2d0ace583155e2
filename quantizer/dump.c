#include "quantizer/dump.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/quantfn.h"

static void quoted(ppq_buf *b, const char *s)
{
    ppq_buf_append(b, "\"", 1);
    for (; *s; s++)
        ppq_buf_printf(b, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    ppq_buf_append(b, "\"", 1);
}

static void scale_label(ppq_buf *b, const ppq_tqc *t)
{
    if (!t)
        return;
    if (ppq_tqc_n(t) == 1) {
        const ppq_qparam p = ppq_tqc_param(t, 0);
        ppq_buf_printf(b, "%s s=%.6g z=%g", ppq_qstate_name(t->state), (double) p.scale,
                       (double) p.offset);
    } else {
        ppq_buf_printf(b, "%s n=%u", ppq_qstate_name(t->state), (unsigned) ppq_tqc_n(t));
    }
}

void ppq_dump_dot(const ppq_graph *g, ppq_buf *out)
{
    static const char *const colours[PPQ_PLACE_COUNT] = { "white", "lightgrey", "khaki",
                                                          "palegreen" };
    ppq_buf_printf(out, "digraph model {\n  node [shape=box, style=filled];\n");
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        if (op->dead)
            continue;
        ppq_buf_printf(out, "  op%zu [fillcolor=%s, label=", i, colours[op->place]);
        ppq_buf label = { 0 };
        ppq_buf_printf(&label, "%zu %s %s", i, op->type, op->name);
        quoted(out, ppq_buf_str(&label));
        ppq_buf_free(&label);
        ppq_buf_printf(out, "];\n");
        for (int32_t k = 0; k < op->n_in; k++) {
            const ppq_op *from = op->in[k] ? op->in[k]->producer.op : NULL;
            if (!from)
                continue;
            ppq_buf_printf(out, "  op%u -> op%zu [label=\"", (unsigned) from->id, i);
            scale_label(out, op->tqc_in ? op->tqc_in[k] : NULL);
            ppq_buf_printf(out, "\"];\n");
        }
    }
    ppq_buf_printf(out, "}\n");
}

static void tqc_line(ppq_buf *b, const char *side, int32_t k, const ppq_var *v, const ppq_tqc *t)
{
    if (!v)
        return;
    char shape[128];
    ppq_buf_printf(b, "    %s[%d] %s %s %s%s", side, k, v->name, ppq_dtype_name(v->dtype),
                   ppq_shape_str(&v->shape, shape, sizeof(shape)),
                   ppq_var_is_const(v) ? " const" : "");
    if (t) {
        ppq_buf_printf(b, " tqc %u root %u %u bits [%g, %g] ", (unsigned) t->id,
                       (unsigned) ppq_tqc_root_const(t)->id, (unsigned) t->fmt.bits, t->fmt.qmin,
                       t->fmt.qmax);
        scale_label(b, t);
    }
    ppq_buf_append(b, "\n", 1);
}

void ppq_dump_text(const ppq_graph *g, ppq_buf *out)
{
    ppq_arena *a = ppq_arena_create("dump");
    ppq_op **order;
    size_t n;
    if (ppq_graph_topo(g, a, &order, &n, NULL) != PPQ_OK) {
        order = g->ops;
        n = g->n_ops;
    }
    for (size_t i = 0; i < n; i++) {
        const ppq_op *op = order[i];
        ppq_buf_printf(out, "%u %s %s %s%s%s\n", (unsigned) op->id, op->type, op->name,
                       ppq_place_name(op->place), op->place_reason[0] ? ": " : "",
                       op->place_reason);
        for (int32_t k = 0; k < op->n_in; k++)
            tqc_line(out, "in", k, op->in[k], op->tqc_in ? op->tqc_in[k] : NULL);
        for (int32_t k = 0; k < op->n_out; k++)
            tqc_line(out, "out", k, op->out[k], op->tqc_out ? op->tqc_out[k] : NULL);
    }
    ppq_arena_destroy(a);
}

ppq_status ppq_dump_graph(const ppq_graph *g, const char *dir, int index, const char *name,
                          ppq_diag *d)
{
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        return ppq_fail(d, PPQ_ERR_IO, (ppq_loc){ .stage = "--debug-dir" },
                        "cannot create folder '%s': %s", dir, strerror(errno));
    ppq_buf text = { 0 }, path = { 0 };
    ppq_dump_dot(g, &text);
    ppq_buf_printf(&path, "%s/%02d_%s.dot", dir, index, name);
    ppq_status st = ppq_file_write_text(ppq_buf_str(&path), &text, d);
    text.n = path.n = 0;
    ppq_dump_text(g, &text);
    ppq_buf_printf(&path, "%s/%02d_%s.txt", dir, index, name);
    if (st == PPQ_OK)
        st = ppq_file_write_text(ppq_buf_str(&path), &text, d);
    ppq_buf_free(&text);
    ppq_buf_free(&path);
    return st;
}
