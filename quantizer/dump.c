#include "quantizer/dump.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/quantfn.h"
#include "exporter/linear.h"
#include "exporter/tqc_json.h"

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

// The DQ with a constant scale that makes `v`, or NULL.
static const ppq_op *dequantizer(const ppq_var *v)
{
    const ppq_op *op = v->producer.op;
    return ppq_is_dq(op) && op->n_in > 1 && op->in[0] && ppq_var_is_const(op->in[1]) &&
                   op->in[1]->dtype == PPQ_DT_F32
               ? op
               : NULL;
}

// n zero points of a DQ, 0 where it has none.
static const int64_t *zero_points(const ppq_op *dq, int64_t n, ppq_arena *a)
{
    int64_t *z = ppq_new_n(a, int64_t, (size_t) n + 1);
    const ppq_var *v = dq->n_in > 2 ? dq->in[2] : NULL;
    const int64_t have = ppq_var_is_const(v) ? ppq_const_ints(&v->value, z, n) : 0;
    for (int64_t i = 1; i < n && have == 1; i++)
        z[i] = z[0];
    return z;
}

static void linear_label(ppq_buf *b, const ppq_op *dq, ppq_arena *a)
{
    const int64_t n = ppq_shape_numel(&dq->in[1]->shape);
    ppq_buf_printf(b, " %s ", ppq_dtype_name(dq->in[0]->dtype));
    if (n == 1)
        ppq_buf_printf(b, "s=%.6g z=%lld", (double) ppq_f32(&dq->in[1]->value)[0],
                       (long long) zero_points(dq, 1, a)[0]);
    else
        ppq_buf_printf(b, "n=%lld", (long long) n);
}

static void tqc_line(ppq_buf *b, ppq_arena *a, const char *side, int32_t k, const ppq_var *v,
                     const ppq_tqc *t)
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
    if (!t && dequantizer(v))
        linear_label(b, dequantizer(v), a);
    ppq_buf_append(b, "\n", 1);
}

// Topological where there is such an order.
static ppq_op **order_of(const ppq_graph *g, ppq_arena *a, size_t *n)
{
    ppq_op **order;
    ppq_diag *quiet = ppq_diag_create(NULL, NULL);
    if (ppq_graph_topo(g, a, &order, n, quiet) != PPQ_OK) {
        order = g->ops;
        *n = g->n_ops;
    }
    ppq_diag_destroy(quiet);
    return order;
}

void ppq_dump_text(const ppq_graph *g, ppq_buf *out)
{
    ppq_arena *a = ppq_arena_create("dump");
    size_t n;
    ppq_op **order = order_of(g, a, &n);
    for (size_t i = 0; i < n; i++) {
        const ppq_op *op = order[i];
        ppq_buf_printf(out, "%u %s %s %s%s%s\n", (unsigned) op->id, op->type, op->name,
                       ppq_place_name(op->place), op->place_reason[0] ? ": " : "",
                       op->place_reason);
        for (int32_t k = 0; k < op->n_in; k++)
            tqc_line(out, a, "in", k, op->in[k], op->tqc_in ? op->tqc_in[k] : NULL);
        for (int32_t k = 0; k < op->n_out; k++)
            tqc_line(out, a, "out", k, op->out[k], op->tqc_out ? op->tqc_out[k] : NULL);
    }
    ppq_arena_destroy(a);
}

static void json_linear(ppq_json_writer *w, const ppq_op *dq, ppq_arena *a)
{
    const int64_t n = ppq_shape_numel(&dq->in[1]->shape);
    const float *scale = ppq_f32(&dq->in[1]->value);
    const int64_t *zero = zero_points(dq, n, a);
    ppq_json_open(w, "dequantized", '{');
    ppq_json_string(w, "dtype", ppq_dtype_name(dq->in[0]->dtype));
    if (dq->in[1]->shape.rank == 0) {
        ppq_json_float(w, "scale", scale[0]);
        ppq_json_int(w, "zero_point", zero[0]);
    } else {
        ppq_json_int(w, "axis", ppq_op_attr_int(dq, "axis", 1));
        ppq_json_open_line(w, "scale");
        for (int64_t i = 0; i < n; i++)
            ppq_json_float(w, NULL, scale[i]);
        ppq_json_close(w, ']');
        ppq_json_open_line(w, "zero_point");
        for (int64_t i = 0; i < n; i++)
            ppq_json_int(w, NULL, zero[i]);
        ppq_json_close(w, ']');
    }
    ppq_json_close(w, '}');
}

static void json_slot(ppq_json_writer *w, const ppq_var *v, const ppq_tqc *t, ppq_arena *a)
{
    char shape[128];
    ppq_json_open(w, NULL, '{');
    ppq_json_string(w, "tensor", v ? v->name : "");
    if (v) {
        ppq_json_string(w, "tensor_dtype", ppq_dtype_name(v->dtype));
        ppq_json_string(w, "shape", ppq_shape_str(&v->shape, shape, sizeof(shape)));
        ppq_json_bool(w, "constant", ppq_var_is_const(v));
    }
    if (t)
        ppq_json_tqc(w, t);
    else if (v && dequantizer(v))
        json_linear(w, dequantizer(v), a);
    ppq_json_close(w, '}');
}

void ppq_dump_json(const ppq_graph *g, ppq_buf *out)
{
    ppq_arena *a = ppq_arena_create("dump");
    ppq_json_writer w = ppq_json_writer_init(out);
    size_t n;
    ppq_op **order = order_of(g, a, &n);
    ppq_json_open(&w, NULL, '{');
    ppq_json_open(&w, "ops", '[');
    for (size_t i = 0; i < n; i++) {
        const ppq_op *op = order[i];
        ppq_json_open(&w, NULL, '{');
        ppq_json_int(&w, "id", op->id);
        ppq_json_string(&w, "name", op->name);
        ppq_json_string(&w, "type", op->type);
        ppq_json_string(&w, "place", ppq_place_name(op->place));
        ppq_json_string(&w, "reason", op->place_reason ? op->place_reason : "");
        ppq_json_open(&w, "inputs", '[');
        for (int32_t k = 0; k < op->n_in; k++)
            json_slot(&w, op->in[k], op->tqc_in ? op->tqc_in[k] : NULL, a);
        ppq_json_close(&w, ']');
        ppq_json_open(&w, "outputs", '[');
        for (int32_t k = 0; k < op->n_out; k++)
            json_slot(&w, op->out[k], op->tqc_out ? op->tqc_out[k] : NULL, a);
        ppq_json_close(&w, ']');
        ppq_json_close(&w, '}');
    }
    ppq_json_close(&w, ']');
    ppq_json_close(&w, '}');
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
